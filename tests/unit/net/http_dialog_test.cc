#include "mta/net/http_dialog.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <vector>

namespace relay::net {
namespace {

using wire::Want;

constexpr Instant start{std::chrono::hours(1)};
const WallTime date{std::chrono::sys_days(std::chrono::year(2026) / 11 / 1) + std::chrono::hours(9)};

HttpResponse error_page(int status, std::string_view detail) {
  return {status, {{"Content-Type", "text/plain"}}, std::string(detail)};
}

HttpLimits small_limits() {
  HttpLimits limits;
  limits.head_bytes = 512;
  limits.body_bytes = 64;
  return limits;
}

// What one connection did with its input: each request as a line, and all that was sent.
struct Transcript {
  std::vector<std::string> requests;
  std::string sent;
  bool closed = false;
  friend bool operator==(const Transcript&, const Transcript&) = default;
};

// A driver that answers each request with its number, and stops feeding a dialog that wants to close.
class Connection {
 public:
  explicit Connection(HttpLimits limits = small_limits()) : dialog(limits, error_page) {
    dialog.on_open({"192.0.2.1", 40000}, nullptr, start);
  }
  void feed(std::string_view bytes) {
    if (seen.closed) return;
    dialog.on_bytes(bytes, start);
    settle();
  }
  void settle() {
    while (auto request = dialog.take_request()) {
      CHECK(dialog.wants() == Want::hold);
      std::string line =
          fmt::format("{} {}?{} {}", request->method, request->path, request->query, request->body);
      seen.requests.push_back(line);
      dialog.respond({200, {{"X-Number", std::to_string(seen.requests.size())}}, "ok"}, date, start);
    }
    seen.sent += dialog.output().take_text();
    seen.closed = dialog.wants() == Want::close;
  }
  HttpDialog dialog;
  Transcript seen;
};

Transcript whole(std::string_view input) {
  Connection connection;
  connection.feed(input);
  return connection.seen;
}

// Whole, in two pieces cut at every byte, and byte by byte: always the same.
Transcript at_every_cut(std::string_view input) {
  const Transcript expected = whole(input);
  for (std::size_t cut = 1; cut < input.size(); ++cut) {
    Connection connection;
    connection.feed(input.substr(0, cut));
    connection.feed(input.substr(cut));
    CAPTURE(cut);
    CHECK(connection.seen.requests == expected.requests);
    CHECK(connection.seen.sent == expected.sent);
    CHECK(connection.seen.closed == expected.closed);
  }
  Connection bytewise;
  for (const char c : input) bytewise.feed({&c, 1});
  CHECK(bytewise.seen == expected);
  return expected;
}

std::string answer(int number, std::string_view body = "ok", std::string_view connection = "") {
  return fmt::format(
      "HTTP/1.1 200 OK\r\nDate: Sun, 01 Nov 2026 09:00:00 GMT\r\nX-Number: {}\r\nContent-Length: "
      "2\r\n{}\r\n{}",
      number, connection, body);
}

TEST_CASE("requests that are good, whole and cut at every byte") {
  struct Case {
    std::string input;
    std::vector<std::string> requests;
    bool closed = false;
  };
  const std::string host = "Host: relay\r\n";
  const std::vector<Case> cases = {
      {"GET / HTTP/1.1\r\n" + host + "\r\n", {"GET /? "}},
      {"\r\n\r\nGET / HTTP/1.1\r\n" + host + "\r\n", {"GET /? "}},
      {"GET /v1/messages?limit=1&to=a%40b HTTP/1.1\r\nhost:relay\r\n\r\n",
       {"GET /v1/messages?limit=1&to=a%40b "}},
      {"GET http://relay:8025/x?y HTTP/1.1\r\n" + host + "\r\n", {"GET /x?y "}},
      {"GET http://relay HTTP/1.1\r\n" + host + "\r\n", {"GET /? "}},
      {"POST /m HTTP/1.1\r\n" + host + "Content-Length: 5\r\n\r\nhello", {"POST /m? hello"}},
      {"POST /m HTTP/1.1\r\n" + host + "Content-Length: 0\r\n\r\n", {"POST /m? "}},
      {"POST /m HTTP/1.1\r\n" + host + "\r\n", {"POST /m? "}},
      {"POST /m HTTP/1.1\r\n" + host +
           "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;x=y\r\n!\r\n0\r\n\r\n",
       {"POST /m? hello!"}},
      {"POST /m HTTP/1.1\r\n" + host + "Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", {"POST /m? "}},
      {"POST /m HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\n\r\n\n" + "GET /2 HTTP/1.1\r\n" + host +
           "\r\n",
       {"POST /m? \r\n\n", "GET /2? "}},
      {"POST /1 HTTP/1.1\r\n" + host +
           "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\nGET /2 HTTP/1.1\r\n" + host +
           "\r\nDELETE /3 HTTP/1.1\r\n" + host + "Content-Length: 1\r\n\r\nx",
       {"POST /1? ab", "GET /2? ", "DELETE /3? x"}},
      {"GET / HTTP/1.1\r\n" + host + "Connection: close\r\n\r\nGET /lost HTTP/1.1\r\n" + host + "\r\n",
       {"GET /? "},
       true},
      {"GET / HTTP/1.0\r\n\r\n", {"GET /? "}, true},
      {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", {"GET /? "}, true},
      {"GET / HTTP/1.1\r\n" + host + "Connection: upgrade\r\nUpgrade: websocket\r\n\r\nGET /2 HTTP/1.1\r\n" +
           host + "\r\n",
       {"GET /? ", "GET /2? "}},
      {"POST / HTTP/1.1\r\n" + host + "Content-Length: 64\r\n\r\n" + std::string(64, 'x'),
       {"POST /? " + std::string(64, 'x')}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.input);
    const Transcript seen = at_every_cut(c.input);
    CHECK(seen.requests == c.requests);
    CHECK(seen.closed == c.closed);
    std::string expected;
    for (std::size_t i = 1; i <= c.requests.size(); ++i) {
      const bool last = c.closed && i == c.requests.size();
      expected += answer(static_cast<int>(i), "ok", last ? "Connection: close\r\n" : "");
    }
    CHECK(seen.sent == expected);
  }
}

TEST_CASE("requests that are refused and end the connection, whole and cut at every byte") {
  struct Case {
    int status;
    std::string input;
  };
  const std::string get = "GET / HTTP/1.1\r\nHost: relay\r\n";
  const std::string post = "POST / HTTP/1.1\r\nHost: relay\r\n";
  const std::string chunked = post + "Transfer-Encoding: chunked\r\n\r\n";
  const std::vector<Case> cases = {
      {400, "EHLO mail.example\r\n\r\n"},
      {400, "GET\r\n\r\n"},
      {400, "get / HTTP/1.1\r\nHost: relay\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\n\r\n"},  // no Host
      {400, get + "Host: other\r\n\r\n"},
      {400, "GET / HTTP/1.1\nHost: relay\n\n"},
      {400, get + "A: b\n\r\n"},
      {400, get + "A: b\rc\r\n\r\n"},
      {400, get + "A: b\r\n c\r\n\r\n"},  // obs-fold
      {400, get + "A: b\r\n\tc\r\n\r\n"},
      {400, get + " A: b\r\n\r\n"},
      {400, get + "A : b\r\n\r\n"},
      {400, get + "A b\r\n\r\n"},
      {400, get + ": b\r\n\r\n"},
      {400, get + std::string("A: b\0c\r\n\r\n", 10)},
      {400, get + "A: b\x01\r\n\r\n"},
      {400, "GET /a b HTTP/1.1\r\nHost: relay\r\n\r\n"},
      {400, post + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"},
      {400, post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"},
      {400, post + "Content-Length: 5, 5\r\n\r\nhello"},
      {400, post + "Content-Length: +5\r\n\r\nhello"},
      {400, post + "Content-Length: -5\r\n\r\nhello"},
      {400, post + "Content-Length: 5x\r\n\r\nhello"},
      {400, post + "Content-Length: 0x5\r\n\r\nhello"},
      {400, post + "Content-Length:\r\n\r\nhello"},
      {400, post + "Content-Length: 99999999999999999999999\r\n\r\nhello"},
      {400, post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {400, post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"},
      {400, post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {400, chunked + "x\r\nhello\r\n"},
      {400, chunked + "-1\r\nhello\r\n"},
      {400, chunked + "\r\nhello\r\n"},
      {400, chunked + "ffffffffffffffffff\r\nhello\r\n"},
      {400, chunked + "5\nhello\r\n0\r\n\r\n"},
      {400, chunked + "5\r\nhelloXX0\r\n\r\n"},
      {400, chunked + "5\r\nhello\n0\r\n\r\n"},
      {400, chunked + "5\r\nhello\r\n0\n\r\n"},
      {400, chunked + "5\r\nhello\r\n0\r\n\n"},
      {400, chunked + "5 \r\nhello\r\n0\r\n\r\n"},
      {400, chunked + "0\r\nTrailer: x\r\n\r\n"},
      {413, post + "Content-Length: 65\r\n\r\n"},
      {413, chunked + "41\r\n" + std::string(65, 'x') + "\r\n0\r\n\r\n"},
      {413, chunked + "40\r\n" + std::string(64, 'x') + "\r\n1\r\nx\r\n0\r\n\r\n"},
      {431, get + "A: " + std::string(600, 'x') + "\r\n\r\n"},
      {431, "GET /" + std::string(600, 'x')},
      {417, post + "Expect: 200-maybe\r\nContent-Length: 5\r\n\r\nhello"},
      {501, post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
      {501, "CONNECT relay:80 HTTP/1.1\r\nHost: relay\r\n\r\n"},
      {505, "GET / HTTP/2.0\r\nHost: relay\r\n\r\n"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.input);
    const Transcript first = whole(c.input);
    CHECK(first.requests.empty());
    CHECK(first.closed);
    CHECK(first.sent.substr(0, 13) == fmt::format("HTTP/1.1 {} ", c.status));
    CHECK(first.sent.find("Connection: close\r\n") != std::string::npos);
    CHECK(first.sent.find("Content-Type: text/plain\r\n") != std::string::npos);
    for (std::size_t cut = 1; cut < c.input.size(); ++cut) {
      Connection connection;
      connection.feed(std::string_view(c.input).substr(0, cut));
      connection.feed(std::string_view(c.input).substr(cut));
      CAPTURE(cut);
      CHECK(connection.seen.requests.empty());
      CHECK(connection.seen.closed);
      CHECK(connection.seen.sent.substr(0, 13) == first.sent.substr(0, 13));
    }
  }
}

TEST_CASE("a bad request behind a good one is answered after it") {
  const Transcript seen =
      at_every_cut("GET /1 HTTP/1.1\r\nHost: relay\r\n\r\nGET /2 HTTP/1.1\nHost: relay\n\n");
  CHECK(seen.requests == std::vector<std::string>{"GET /1? "});
  CHECK(seen.closed);
  CHECK(seen.sent.starts_with(answer(1)));
  CHECK(seen.sent.substr(answer(1).size(), 13) == "HTTP/1.1 400 ");
}

TEST_CASE("header fields: names in lower case, values trimmed, the first of a name") {
  Connection c;
  c.dialog.on_bytes("GET / HTTP/1.1\r\nHost: relay\r\nX-Tag: \t one \r\nx-tag: two\r\nEmpty:\r\n\r\n", start);
  const auto request = c.dialog.take_request();
  REQUIRE(request);
  REQUIRE(request->header("x-tag"));
  CHECK(*request->header("x-tag") == "one");
  REQUIRE(request->header("empty"));
  CHECK(request->header("empty")->empty());
  CHECK(request->header("absent") == nullptr);
  CHECK(request->peer.address == "192.0.2.1");
  CHECK_FALSE(request->tls);
  CHECK_FALSE(c.dialog.take_request());
}

TEST_CASE("HEAD and 204 are answered without a body") {
  Connection c;
  c.feed("HEAD / HTTP/1.1\r\nHost: relay\r\n\r\n");
  CHECK(c.seen.sent == answer(1, ""));
  Connection d;
  d.dialog.on_bytes("DELETE / HTTP/1.1\r\nHost: relay\r\n\r\n", start);
  REQUIRE(d.dialog.take_request());
  d.dialog.respond({204, {}, "not to be sent"}, date, start);
  CHECK(d.dialog.output().take_text() ==
        "HTTP/1.1 204 No Content\r\nDate: Sun, 01 Nov 2026 09:00:00 GMT\r\n\r\n");
}

TEST_CASE("Expect: 100-continue is answered when the body is awaited") {
  const std::string head =
      "POST / HTTP/1.1\r\nHost: relay\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
  Connection waits;
  waits.feed(head);
  CHECK(waits.seen.sent == "HTTP/1.1 100 Continue\r\n\r\n");
  waits.feed("hi");
  CHECK(waits.seen.requests == std::vector<std::string>{"POST /? hi"});
  CHECK(waits.seen.sent == "HTTP/1.1 100 Continue\r\n\r\n" + answer(1));
  Connection sends;
  sends.feed(head + "hi");
  CHECK(sends.seen.sent == answer(1));
  Connection too_large;
  too_large.feed("POST / HTTP/1.1\r\nHost: relay\r\nExpect: 100-continue\r\nContent-Length: 99\r\n\r\n");
  CHECK(too_large.seen.sent.starts_with("HTTP/1.1 413 "));
  // RFC 9110 10.1.1: from a client of HTTP/1.0 it is ignored.
  Connection old;
  old.feed("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  CHECK(old.seen.sent.empty());
}

TEST_CASE("one request at a time: the next waits until the answer is given") {
  Connection c;
  c.dialog.on_bytes("GET /1 HTTP/1.1\r\nHost: r\r\n\r\nGET /2 HTTP/1.1\r\nHost: r\r\n\r\n", start);
  auto first = c.dialog.take_request();
  REQUIRE(first);
  CHECK(first->path == "/1");
  CHECK_FALSE(c.dialog.take_request());
  CHECK(c.dialog.wants() == Want::hold);
  CHECK(c.dialog.deadline() == never);
  CHECK(c.dialog.output().empty());
  c.dialog.respond({200, {}, ""}, date, start);
  auto second = c.dialog.take_request();
  REQUIRE(second);
  CHECK(second->path == "/2");
}

TEST_CASE("a connection ends after its number of requests") {
  HttpLimits limits = small_limits();
  limits.requests = 2;
  Connection c(limits);
  std::string input;
  for (int i = 0; i < 3; ++i) input += "GET / HTTP/1.1\r\nHost: relay\r\n\r\n";
  c.feed(input);
  CHECK(c.seen.requests.size() == 2);
  CHECK(c.seen.closed);
  CHECK(c.seen.sent == answer(1) + answer(2, "ok", "Connection: close\r\n"));
}

TEST_CASE("deadlines: idle, head, body; none while an answer is owed") {
  const HttpLimits limits = small_limits();
  SUBCASE("idle: closed without a word") {
    Connection c;
    CHECK(c.dialog.deadline() == start + limits.idle_timeout);
    c.dialog.on_timeout(start + limits.idle_timeout);
    c.settle();
    CHECK(c.seen.closed);
    CHECK(c.seen.sent.empty());
  }
  SUBCASE("a slow head: 408, and more bytes do not put it off") {
    Connection c;
    c.feed("GET / HT");
    c.dialog.on_bytes("TP/1.1\r\n", start + std::chrono::seconds(9));
    CHECK(c.dialog.deadline() == start + limits.head_timeout);
    c.dialog.on_timeout(start + limits.head_timeout);
    c.settle();
    CHECK(c.seen.closed);
    CHECK(c.seen.sent.starts_with("HTTP/1.1 408 "));
  }
  SUBCASE("a slow body: 408") {
    Connection c;
    c.feed("POST / HTTP/1.1\r\nHost: relay\r\nContent-Length: 5\r\n\r\nhell");
    CHECK(c.dialog.deadline() == start + limits.body_timeout);
    c.dialog.on_timeout(start + limits.body_timeout);
    c.settle();
    CHECK(c.seen.closed);
    CHECK(c.seen.sent.starts_with("HTTP/1.1 408 "));
  }
  SUBCASE("after an answer: idle again") {
    Connection c;
    c.feed("GET / HTTP/1.1\r\nHost: relay\r\n\r\n");
    CHECK(c.dialog.deadline() == start + limits.idle_timeout);
  }
}

TEST_CASE("shutting down: at once when idle, else after the answer owed") {
  Connection idle;
  idle.dialog.shut_down(start);
  CHECK(idle.dialog.wants() == Want::close);

  Connection busy;
  busy.dialog.on_bytes("GET / HTTP/1.1\r\nHost: relay\r\n\r\n", start);
  REQUIRE(busy.dialog.take_request());
  busy.dialog.shut_down(start);
  CHECK(busy.dialog.wants() == Want::hold);
  busy.dialog.respond({200, {}, "ok"}, date, start);
  CHECK(busy.dialog.output().take_text().find("Connection: close\r\n") != std::string::npos);
  CHECK(busy.dialog.wants() == Want::close);
}

TEST_CASE("an answer to a client that has gone goes nowhere; bytes after the end are ignored") {
  Connection c;
  c.dialog.on_bytes("GET / HTTP/1.1\r\nHost: relay\r\n\r\n", start);
  REQUIRE(c.dialog.take_request());
  c.dialog.on_closed({wire::Closed::Why::reset, "connection reset by peer"}, start);
  c.dialog.respond({200, {}, "ok"}, date, start);
  CHECK(c.dialog.output().empty());
  c.dialog.on_bytes("GET / HTTP/1.1\r\nHost: relay\r\n\r\n", start);
  CHECK_FALSE(c.dialog.take_request());
}

}  // namespace
}  // namespace relay::net
