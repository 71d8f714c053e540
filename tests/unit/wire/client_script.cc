#include "tests/unit/wire/client_script.h"

#include <doctest/doctest.h>

#include <sstream>
#include <utility>
#include <vector>

namespace relay::wire::test {
namespace {

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  std::istringstream in{std::string(text)};
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

bool from_server(std::string_view line) {
  return line.size() >= 3 && line[0] == 'S' && (line[1] == ':' || line[1] == '~' || line[1] == '_');
}

std::string bytes_of(std::string_view line) {
  return std::string(line.substr(3)) + (line[1] == ':' ? "\r\n" : line[1] == '~' ? "\n" : "");
}

std::string with_newlines(std::string text) {
  for (auto at = text.find("^J"); at != std::string::npos; at = text.find("^J")) text.replace(at, 2, "\n");
  return text;
}

std::string_view name_of(Stage stage) {
  static constexpr std::string_view names[] = {"connect",   "greeting",  "ehlo", "helo", "starttls",
                                               "handshake", "auth",      "mail", "rcpt", "data",
                                               "content",   "final_dot", "rset", "quit"};
  return names[static_cast<std::size_t>(stage)];
}

std::string show(const Fact& fact) {
  struct {
    std::string operator()(const Reply& r) const { return r.text(); }
    std::string operator()(const Closed& c) const {
      static constexpr std::string_view names[] = {"end of file", "reset",           "connect failed",
                                                   "no route",    "connect timeout", "tls failed"};
      const std::string why(names[static_cast<std::size_t>(c.why)]);
      return c.detail.empty() ? why : why + ", " + c.detail;
    }
    std::string operator()(const TimedOut&) const { return "timed out"; }
    std::string operator()(const Unsupported& u) const {
      return "lacks " + u.extension + (u.detail.empty() ? "" : ": " + u.detail);
    }
  } text;
  return std::string(name_of(fact.stage)) + ": " + std::visit(text, fact.answer);
}

class Player {
 public:
  explicit Player(const Play& how) : how_(how), dialog_(how.settings, now_) {
    if (!how_.body) how_.body = std::make_shared<const Body>("Subject: x\r\n\r\nhello\r\n");
  }

  std::string run(std::string_view script) {
    const auto lines = lines_of(script);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      if (from_server(lines[i])) {
        open();
        log_ += lines[i] + "\n";
        pending_ += bytes_of(lines[i]);
        if (i + 1 < lines.size() && from_server(lines[i + 1])) continue;
        feed();
      } else if (lines[i].starts_with("> ")) {
        if (!lines[i].starts_with("> refused")) open();
        log_ += lines[i] + "\n";
        event(lines[i].substr(2));
      } else {
        continue;  // expected, not input
      }
      report();
    }
    return log_;
  }

 private:
  void open() {
    if (std::exchange(opened_, true)) return;
    const TlsInfo tls{"TLSv1.3", "x"};
    dialog_.on_open({"192.0.2.1", 25}, how_.implicit_tls ? &tls : nullptr, now_);
    drive();
  }

  void feed() {
    const std::string bytes = std::exchange(pending_, {});
    for (std::size_t at = 0; at < bytes.size();) {
      std::size_t end = how_.every_byte ? at + 1 : bytes.size();
      if (how_.cut > fed_ + at && how_.cut < fed_ + end) end = how_.cut - fed_;
      dialog_.on_bytes(std::string_view(bytes).substr(at, end - at), now_);
      drive();
      at = end;
    }
    fed_ += bytes.size();
  }

  void event(const std::string& what) {
    std::istringstream words(what);
    std::string verb, rest;
    words >> verb;
    std::getline(words >> std::ws, rest);
    if (verb == "start") start(rest);
    if (verb == "quit") dialog_.quit(now_);
    if (verb == "closed") dialog_.on_closed({Closed::Why::end_of_file, ""}, now_);
    if (verb == "reset") dialog_.on_closed({Closed::Why::reset, "broken pipe"}, now_);
    if (verb == "refused") dialog_.on_closed({Closed::Why::connect_failed, "connection refused"}, now_);
    if (verb == "tls" && rest.empty()) dialog_.on_tls({"TLSv1.3", "x"}, now_);
    if (verb == "tls" && !rest.empty()) dialog_.on_closed({Closed::Why::tls_failed, "bad record"}, now_);
    if (verb == "timeout") {
      const Instant deadline = dialog_.deadline();
      if (deadline != never) {
        dialog_.on_timeout(deadline - Duration(1));  // too early: nothing happens
        CHECK(dialog_.deadline() == deadline);
        now_ = deadline;
      }
      dialog_.on_timeout(now_);
    }
    drive();
  }

  void start(const std::string& text) {
    Transaction t;
    std::istringstream words(text);
    words >> t.reverse_path;
    if (t.reverse_path == "<>") t.reverse_path.clear();
    for (std::string word; words >> word;) {
      if (word == "utf8")
        t.smtputf8 = true;
      else if (word == "8bit")
        t.eight_bit = true;
      else
        t.recipients.push_back({with_newlines(word)});
    }
    t.reverse_path = with_newlines(t.reverse_path);
    t.body = how_.body;
    dialog_.start(std::move(t), now_);
  }

  void drive() {
    while (!dialog_.output().empty()) {
      sent_ += dialog_.output().take_text();
      if (how_.writes_finish) dialog_.on_sent(now_);
    }
  }

  void report() {
    for (auto& line : lines_of(std::exchange(sent_, {}))) {
      CHECK(line.ends_with('\r'));
      line.pop_back();
      log_ += (line.empty() ? "C:" : "C: " + line) + "\n";
    }
    if (const auto result = dialog_.take_result())
      for (const Fact& fact : result->recipients) log_ += "* " + show(fact) + "\n";
    if (dialog_.session_failure() && !std::exchange(failed_, true))
      log_ += "! " + show(*dialog_.session_failure()) + "\n";
    std::string state;
    if (dialog_.ready())
      state = "= ready\n";
    else if (dialog_.wants() == Want::close)
      state = "= closed\n";
    else if (dialog_.finished())
      state = "= quitting\n";
    else if (dialog_.wants() == Want::tls_handshake)
      state = "= tls\n";
    if (state != state_) log_ += state;
    state_ = state;
    CHECK((dialog_.deadline() == never) == (dialog_.ready() || dialog_.wants() == Want::close));
  }

  Play how_;
  Instant now_{std::chrono::seconds(1000)};
  ClientDialog dialog_;
  bool opened_ = false;
  bool failed_ = false;
  std::size_t fed_ = 0;
  std::string pending_, sent_, state_, log_;
};

}  // namespace

std::string play(const Play& how, std::string_view script) { return Player(how).run(script); }

std::size_t server_bytes(std::string_view script) {
  std::size_t sum = 0;
  for (const auto& line : lines_of(script))
    if (from_server(line)) sum += bytes_of(line).size();
  return sum;
}

std::string trimmed(std::string_view script) {
  std::string out;
  for (const auto& line : lines_of(script)) {
    const std::size_t begin = line.find_first_not_of(' ');
    if (begin != std::string::npos) out += line.substr(begin) + "\n";
  }
  return out;
}

void expect(std::string_view name, std::string_view text, Play how) {
  const std::string script = trimmed(text);
  CAPTURE(name);
  how.settings.ehlo_name = "me.example";
  CHECK(play(how, script) == script);
  how.every_byte = true;
  CHECK(play(how, script) == script);
  how.every_byte = false;
  for (how.cut = 1; how.cut < server_bytes(script); ++how.cut) REQUIRE(play(how, script) == script);
}

}  // namespace relay::wire::test
