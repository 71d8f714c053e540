#include "relay-api/ctl/cli.h"

#include <doctest/doctest.h>

#include <sstream>

using namespace relay;
using namespace relay::ctl;

namespace {

const std::string id = "msg_00000000000000000000000000";

struct Ran {
  int code = 0;
  std::string out, err;
  std::vector<std::string> requests;  // "POST /path {…}"
  std::string socket;
  std::optional<sink::SinkOptions> sink;
};

// Runs the words against a relayd that gives `answers` in turn, the last one again and again.
Ran run_words(std::vector<std::string> words, std::vector<Result<Reply>> answers = {},
              std::size_t width = 0) {
  Ran ran;
  std::ostringstream out, err;
  std::size_t next = 0;
  std::vector<const char*> argv{"relayctl"};
  for (const auto& word : words) argv.push_back(word.c_str());
  const auto connect = [&](const std::string& socket) -> Transport {
    ran.socket = socket;
    return [&](const auto& method, const auto& path, const auto& body) {
      ran.requests.push_back(method + " " + path + (body ? " " + *body : ""));
      REQUIRE(!answers.empty());
      return answers[std::min(next++, answers.size() - 1)];
    };
  };
  const auto sink = [&](const sink::SinkOptions& options) {
    ran.sink = options;
    return 0;
  };
  Environment environment{connect, sink, out, err, width, WallTime(std::chrono::seconds(1'790'000'000))};
  environment.version = "1.2.3";
  ran.code = run(static_cast<int>(argv.size()), argv.data(), environment);
  ran.out = out.str();
  ran.err = err.str();
  return ran;
}

Reply ok(std::string body) { return {200, "application/json", std::move(body)}; }
Reply missing() {
  return {404, "application/problem+json",
          R"({"code":"not_found","detail":"There is no message of this id."})"};
}

const std::string queue_page =
    R"({"data":[{"message":")" + id +
    R"(","recipient":0,"address":"b@example.net","domain":"example.net","status":"queued","attempts":2,
  "accepted_at":"2026-09-21T14:13:20.000Z","reverse_path":"","account":"acme","size":2048,"next_attempt_at":"2026-09-21T14:17:20.000Z"}],
  "next":"CURSOR"})";

}  // namespace

TEST_CASE("the words become requests") {
  struct Case {
    std::vector<std::string> words;
    std::string request;
  };
  for (
      const auto& [words, request] : {
          Case{{"queue", "list"}, "GET /admin/v1/queue?limit=50"},
          Case{{"queue", "list", "--domain", "a.b", "--status", "held", "--limit", "5", "--after", "x.1"},
               "GET /admin/v1/queue?limit=5&domain=a.b&status=held&after=x.1"},
          Case{{"queue", "show", id}, "GET /admin/v1/messages/" + id + "/why"},
          Case{{"queue", "show", "../x"}, "GET /admin/v1/messages/..%2Fx/why"},
          Case{{"queue", "retry", id}, "POST /admin/v1/queue/retry {\"id\":\"" + id + "\"}"},
          Case{{"queue", "hold", "--domain", "a.b"}, R"(POST /admin/v1/queue/hold {"domain":"a.b"})"},
          Case{{"queue", "release", "--all"}, R"(POST /admin/v1/queue/release {"all":true})"},
          Case{{"queue", "cancel", "--all"}, R"(POST /admin/v1/queue/cancel {"all":true})"},
          Case{{"message", "show", id}, "GET /admin/v1/messages/" + id},
          Case{{"message", "show", id, "--content"}, "GET /admin/v1/messages/" + id + "/content"},
          Case{{"message", "list", "--account", "a", "--limit", "3"},
               "GET /admin/v1/messages?limit=3&account=a"},
          Case{{"why", id}, "GET /admin/v1/messages/" + id + "/why"},
          Case{{"key", "create"}, R"(POST /admin/v1/keys {"account":"default","label":""})"},
          Case{{"key", "create", "--account", "a", "--label", "l"},
               R"(POST /admin/v1/keys {"account":"a","label":"l"})"},
          Case{
              {"key",          "create",      "--domain", "a.example", "--domain",   "*.b.example",
               "--from",       "x@c.example", "--check",  "header",    "--network",  "192.0.2.0/24",
               "--recipients", "5",           "--size",   "1000",      "--rate",     "0.5",
               "--burst",      "3",           "--daily",  "100",       "--sessions", "2"},
              R"(POST /admin/v1/keys {"account":"default","label":"","policy":{"sending_domains":["a.example",)"
              R"("*.b.example"],"from_addresses":["x@c.example"],"senders_checked":"header","networks":)"
              R"(["192.0.2.0/24"],"recipients_per_message":5,"message_bytes":1000,"messages_per_second":5E-1,)"
              R"("burst_messages":3,"messages_per_day":100,"sessions":2}})"},
          Case{
              {"key", "set", "k", "--label", "", "--domain", "none", "--rate", "none"},
              R"(PATCH /admin/v1/keys/k {"label":"","policy":{"sending_domains":[],"messages_per_second":null}})"},
          Case{{"key", "set", "k", "--size", "25MB"},
               R"(PATCH /admin/v1/keys/k {"policy":{"message_bytes":25000000}})"},
          Case{{"key", "set", "k", "--size", "1.5KiB"},
               R"(PATCH /admin/v1/keys/k {"policy":{"message_bytes":1536}})"},
          Case{{"key", "set", "k", "--size", "none"},
               R"(PATCH /admin/v1/keys/k {"policy":{"message_bytes":null}})"},
          Case{{"key", "show", "k"}, "GET /admin/v1/keys/k"},
          Case{{"key", "list"}, "GET /admin/v1/keys"},
          Case{{"key", "revoke", "k"}, "POST /admin/v1/keys/k/revoke {}"},
          Case{{"stats"}, "GET /admin/v1/stats"},
          Case{{"status"}, "GET /admin/v1/status"},
          Case{{"lockout", "list"}, "GET /admin/v1/lockouts"},
          Case{{"lockout", "lift", "192.0.2.1"}, R"(POST /admin/v1/lockouts/lift {"subject":"192.0.2.1"})"},
          Case{{"lockout", "lift", "--all"}, R"(POST /admin/v1/lockouts/lift {"all":true})"},
          Case{{"tls", "reload"}, "POST /admin/v1/tls/reload {}"},
      }) {
    CAPTURE(request);
    const Ran ran = run_words(words, {ok("{}")});
    REQUIRE(ran.requests.size() == 1);
    CHECK(ran.requests[0] == request);
  }
}

TEST_CASE("wrong usage asks nothing and exits with 2") {
  using Words = std::vector<std::string>;
  for (const Words& words : {Words{},
                             Words{"dance"},
                             Words{"queue"},
                             Words{"queue", "list", "--status", "sent"},
                             Words{"key", "set", "k", "--size", "25 apples"},
                             Words{"key", "set", "k", "--size", "-1"},
                             Words{"queue", "list", "--limit", "0"},
                             Words{"queue", "show"},
                             Words{"queue", "cancel"},
                             Words{"queue", "cancel", "--all", "--domain", "a.b"},
                             Words{"queue", "cancel", "x", "--all"},
                             Words{"why"},
                             Words{"key", "set", "k"},
                             Words{"key", "set", "--rate", "1"},
                             Words{"key", "set", "k", "--rate", "fast"},
                             Words{"key", "set", "k", "--rate", "0.0001"},
                             Words{"key", "set", "k", "--daily", "1.5"},
                             Words{"key", "set", "k", "--check", "none"},
                             Words{"key", "revoke"},
                             Words{"key", "create", "--labl", "x"},
                             Words{"sink", "--listen", "here"},
                             Words{"sink", "--listen", "127.0.0.1:99999"},
                             Words{"sink", "--key", "k.pem"}}) {
    const Ran ran = run_words(words);
    CHECK(ran.code == 2);
    CHECK(!ran.err.empty());
    CHECK(ran.requests.empty());
    CHECK(!ran.sink);
  }
  CHECK(run_words({"--help"}).code == 0);
  CHECK(run_words({"queue", "list", "--help"}).out.find("--domain") != std::string::npos);
}

TEST_CASE("a wrong word is named, and every error says whose it is") {
  using Words = std::vector<std::string>;
  const std::string help = "Run with --help for more information.\n";
  struct Case {
    Words words;
    std::string said;
  };
  for (const auto& [words, said] : {
           Case{{"bogus"}, "there is no command bogus; relayctl --help lists them\n"},
           Case{{"--json", "bogus", "--x"}, "there is no command bogus; relayctl --help lists them\n"},
           Case{{"spool", "bogus"}, "there is no command spool bogus; relayctl spool --help lists them\n"},
           Case{{"queue", "bogus", "x"},
                "there is no command queue bogus; relayctl queue --help lists them\n"},
           Case{{"--bogus"}, "there is no option --bogus; relayctl --help lists them\n"},
           Case{{"key", "--bogus"}, "there is no option --bogus; relayctl key --help lists them\n"},
           Case{{"key", "list", "--bogus"},
                "there is no option --bogus; relayctl key list --help lists them\n"},
           Case{{"why", "a", "b"}, "b is too much; relayctl why --help says what it takes\n"},
           Case{{}, "a command is missing; relayctl --help lists them\n"},
           Case{{"queue"}, "a command is missing; relayctl queue --help lists them\n"},
           Case{{"spool", "backup"}, "directory is required\n" + help},
           Case{{"spool", "import"}, "source is required\n" + help},
           Case{{"why"}, "id is required\n" + help},
           Case{{"queue", "cancel"}, "Exactly 1 option from [id,--domain,--all] is required\n" + help},
           Case{{"queue", "list", "--limit", "0"}, "--limit: Value 0 not in range 1 to 500\n" + help},
       }) {
    CAPTURE(said);
    const Ran ran = run_words(words);
    CHECK(ran.code == 2);
    CHECK(ran.out == "");
    CHECK(ran.err == "relayctl: " + said);
  }
}

TEST_CASE("the version is that of the build") {
  for (const auto& words : {std::vector<std::string>{"--version"}, {"queue", "list", "--version"}}) {
    const Ran ran = run_words(words);
    CHECK(ran.code == 0);
    CHECK(ran.out == "relayctl 1.2.3\n");
    CHECK(ran.requests.empty());
  }
}

TEST_CASE("the queue as a table") {
  const Ran ran = run_words({"queue", "list"}, {ok(queue_page)});
  CHECK(ran.code == 0);
  CHECK(ran.out ==
        "MESSAGE                         RECIPIENT      STATUS  TRIES  NEXT  FROM    SIZE\n"
        "msg_00000000000000000000000000  b@example.net  queued      2    4m  <>    2.0 kB\n"
        "There is more: add --after CURSOR\n");
  CHECK(run_words({"queue", "list"}, {ok(R"({"data":[],"next":null})")}).out == "Nothing is in the queue.\n");
}

TEST_CASE("--json prints what the API said, wherever it stands") {
  for (const auto& words : {std::vector<std::string>{"--json", "queue", "list"},
                            {"queue", "--json", "list"},
                            {"queue", "list", "--json"}}) {
    const Ran ran = run_words(words, {ok(queue_page)});
    CHECK(ran.code == 0);
    CHECK(ran.out == queue_page + "\n");
  }
  const Ran refused = run_words({"why", id, "--json"}, {missing()});
  CHECK(refused.code == 1);
  CHECK(refused.out == missing().body + "\n");
}

TEST_CASE("what became of a control is said, for each id") {
  const Ran one = run_words({"queue", "hold", id}, {ok(R"({"changed":1,"in_flight":2})")});
  CHECK(one.out == "1 recipient held; 2 are being delivered at this moment and left alone.\n");
  const Ran damaged = run_words({"queue", "hold", id}, {ok(R"({"changed":1,"in_flight":0,"damaged":3})")});
  CHECK(damaged.out ==
        "1 recipient held; of 3 the record is damaged: that lasts until relayd is started again, as its log "
        "says.\n");
  const Ran two =
      run_words({"queue", "cancel", id, "msg_x"}, {ok(R"({"changed":3,"in_flight":0})"), missing()});
  CHECK(two.code == 1);
  CHECK(two.out == id + ": 3 recipients cancelled.\n");
  CHECK(two.err == "relayctl: There is no message of this id.\n");
}

TEST_CASE("relayd that cannot be reached is 3") {
  const Ran ran = run_words({"stats", "--socket", "/x"},
                            {fail(Errc::unavailable, "relayd is not running: nothing listens on /x")});
  CHECK(ran.code == 3);
  CHECK(ran.err == "relayctl: relayd is not running: nothing listens on /x\n");
  CHECK(ran.socket == "/x");
  CHECK(run_words({"stats"}, {Reply{200, "text/html", "<html>"}}).code == 3);
}

TEST_CASE("faults of a refused request are listed") {
  const Ran ran = run_words(
      {"key", "create", "--account", "a b"},
      {Reply{
          422, "application/problem+json",
          R"({"detail":"One thing in the request is wrong.","errors":[{"pointer":"/account","code":"x","detail":"No."}]})"}});
  CHECK(ran.code == 1);
  CHECK(ran.err == "relayctl: One thing in the request is wrong.\n  /account: No.\n");
}

TEST_CASE("why in words") {
  const std::string body = R"({"id":")" + id + R"(","status":"queued","sentence":"S.","recipients":[
    {"address":"b@example.net","status":"queued","attempts":1,"sentence":"Deferred after 1 attempt; the next attempt is due in 4 minutes.",
     "next_attempt_at":"2026-09-21T14:17:20.000Z","next_attempt":"in 4 minutes",
     "history":[{"type":"deferred","at":"2026-09-21T14:12:20.000Z","host":"mx.example.net","reply":{"code":451,"enhanced":null,"text":"451 Later"},"in_doubt":true}]}]})";
  const Ran ran = run_words({"why", id}, {ok(body)});
  CHECK(ran.code == 0);
  CHECK(
      ran.out ==
      id + " is queued.\n\nb@example.net\n  Deferred after 1 attempt; the next attempt is due in 4 minutes.\n"
           "WHEN                  EVENT     HOST            ANSWER\n"
           "2026-09-21 14:12:20Z  deferred  mx.example.net  451 Later (in doubt)\n");
  const Ran show = run_words({"queue", "show", id},
                             {ok(R"({"status":"delivered","recipients":[{"status":"delivered"}]})")});
  CHECK(show.code == 1);
}

TEST_CASE("a message whose record is damaged is listed as that") {
  const std::string page =
      R"({"data":[{"id":")" + id +
      R"(","status":"unknown","from":null,"subject":null,"created_at":null,"to":[],"damage":["a record is damaged: table messages, )" +
      id + R"("]},{"id":"msg_x","status":"queued","subject":"Hi","created_at":"2026-09-21T14:12:20.000Z",
      "to":["b@example.net"],"damage":["page 7 is damaged","page 7 is damaged"]}],"next":null})";
  CHECK(run_words({"message", "list"}, {ok(page)}).out ==
        "MESSAGE                         ACCEPTED              STATUS   TO             SUBJECT\n"
        "msg_00000000000000000000000000  -                     unknown  (damaged)      -\n"
        "msg_x                           2026-09-21 14:12:20Z  queued   b@example.net  Hi\n"
        "Not all of these can be read:\n"
        "- a record is damaged: table messages, " +
            id + ".\n- msg_x: page 7 is damaged.\n");
}

TEST_CASE("the damage of a message stands before what is left of it") {
  const std::string body = R"({"id":")" + id + R"(","status":"queued","damage":["one thing","another"],
    "recipients":[{"address":"b@example.net","status":"queued","attempts":0,"sentence":"Waiting.","next_attempt_at":null,
    "history":[]}],"events":[]})";
  const std::string damage = "Not all of it can be read:\n- one thing.\n- another.\n";
  CHECK(run_words({"why", id}, {ok(body)}).out ==
        id + " is queued.\n" + damage + "\nb@example.net\n  Waiting.\n");
  CHECK(run_words({"queue", "show", id}, {ok(body)}).out.starts_with(damage + "RECIPIENT"));
  CHECK(run_words({"message", "show", id}, {ok(body)}).out.find("\n" + damage + "\nRECIPIENT") !=
        std::string::npos);
  const Ran finished = run_words({"queue", "show", id},
                                 {ok(R"({"status":"delivered","damage":["one thing"],"recipients":[]})")});
  CHECK(finished.code == 1);
  CHECK(finished.out == "Not all of it can be read:\n- one thing.\n");
}

TEST_CASE("rows of the queue that stand for damage say so") {
  const std::string page =
      R"({"data":[{"message":")" + id +
      R"(","recipient":0,"address":null,"domain":null,"status":"unknown","attempts":null,"accepted_at":null,
      "reverse_path":null,"account":null,"size":null,"next_attempt_at":null,"damage":"page 7 is damaged"},
      {"message":"msg_x","recipient":1,"address":"b@example.net","domain":"example.net","status":"queued","attempts":0,
      "accepted_at":null,"reverse_path":"","account":"a","size":5,"next_attempt_at":null,"damage":null}],"next":null})";
  CHECK(run_words({"queue", "list"}, {ok(page)}).out ==
        "MESSAGE                         RECIPIENT      STATUS   TRIES  NEXT  FROM  SIZE\n"
        "msg_00000000000000000000000000  (damaged)      unknown      -     -  -        -\n"
        "msg_x                           b@example.net  queued       0     -  <>     5 B\n"
        "Not all of these can be read:\n- " +
            id + ": page 7 is damaged.\n");
}

TEST_CASE("a message's content comes as it is") {
  const Ran ran =
      run_words({"message", "show", id, "--content"}, {Reply{200, "message/rfc822", "A: b\r\n\r\nx\x1b"}});
  CHECK(ran.out == "A: b\r\n\r\nx\x1b");
  CHECK(run_words({"message", "show", id, "--content"}, {missing()}).code == 1);
}

TEST_CASE("the sink's options") {
  const Ran ran = run_words({"sink", "--listen", "[::1]:0", "--store", "d", "--quiet"});
  REQUIRE(ran.sink);
  CHECK(ran.sink->address == "::1");
  CHECK(ran.sink->port == 0);
  CHECK(ran.sink->store_directory == "d");
  CHECK(ran.sink->quiet);
  CHECK(run_words({"sink"}).sink->port == 2526);
}

TEST_CASE("moments and sizes in columns") {
  const WallTime now(std::chrono::seconds(1'790'000'000));  // 2026-09-21T14:13:20Z
  CHECK(parse_rfc3339("2026-09-21T14:13:20.000Z") == now);
  CHECK(!parse_rfc3339("2026-09-21"));
  CHECK(!parse_rfc3339("2026-02-30T14:13:20.000Z"));
  for (const auto& [text, words] : {std::pair<std::string, std::string>{"", "-"},
                                    {"2026-09-21T14:13:19.000Z", "now"},
                                    {"2026-09-21T14:14:00.000Z", "40s"},
                                    {"2026-09-21T14:18:30.000Z", "5m"},
                                    {"2026-09-21T16:23:20.000Z", "2h10m"},
                                    {"2026-09-21T16:13:20.000Z", "2h"},
                                    {"2026-09-24T18:13:20.000Z", "3d4h"}})
    CHECK(until(text, now) == words);
  CHECK(moment("2026-09-21T14:13:20.000Z") == "2026-09-21 14:13:20Z");
  CHECK(size_words(999) == "999 B");
  CHECK(size_words(12'400) == "12.4 kB");
  CHECK(size_words(3'100'000) == "3.1 MB");
}

TEST_CASE("lock-outs as a table, and how many were lifted") {
  CHECK(run_words({"lockout", "list"}, {ok(R"({"data":[],"next":null})")}).out == "Nobody is locked out.\n");
  CHECK(run_words(
            {"lockout", "list"},
            {ok(R"({"data":[{"kind":"address","subject":"2001:db8::/64","until":"2026-09-21T14:18:20.000Z"},)"
                R"({"kind":"account","subject":"acme","until":"2026-09-21T14:23:20.000Z"}],"next":null})")})
            .out ==
        "KIND     WHO            UNTIL                 LEFT\n"
        "address  2001:db8::/64  2026-09-21 14:18:20Z    5m\n"
        "account  acme           2026-09-21 14:23:20Z   10m\n");
  CHECK(run_words({"lockout", "lift", "acme"}, {ok(R"({"lifted":1})")}).out == "1 lock-out lifted.\n");
  CHECK(run_words({"lockout", "lift"}).code == 2);
  CHECK(run_words({"lockout", "lift", "acme", "--all"}).code == 2);
}

TEST_CASE("certificates are shown with names and end, and that they are not those of the files") {
  const std::string certificates =
      R"("certificates":[{"file":"/c.pem","names":["a.example","*.b.example"],"not_before":"2026-08-01T00:00:00.000Z",)"
      R"("not_after":"2026-10-01T14:13:20.000Z"},{"file":"/d.pem","names":[],"not_after":"2026-01-01T00:00:00.000Z"}])";
  const Ran reload = run_words({"tls", "reload"}, {ok("{" + certificates + R"(,"failure":null})")});
  CHECK(reload.code == 0);
  CHECK(reload.out ==
        "The certificates have been read anew; new connections are shown these:\n"
        "/c.pem (a.example, *.b.example), expires in 10d, 2026-10-01 14:13:20Z\n"
        "/d.pem (no names), has expired, 2026-01-01 00:00:00Z\n");
  const Ran status = run_words(
      {"status"}, {ok(R"({"tls":{)" + certificates + R"(,"failure":"the key /k cannot be used"}})")});
  CHECK(status.out.find("certificate   /c.pem (a.example, *.b.example), expires in 10d") !=
        std::string::npos);
  CHECK(status.out.find("certificate   these are not what the files hold now: the key /k cannot be used\n") !=
        std::string::npos);
}

TEST_CASE("status is said in sentences, with what to do") {
  const auto answer = [](const std::string& state, const std::string& reason) {
    return ok(
        R"({"version":"1.2.3","started_at":"2026-09-21T14:13:20.000Z","uptime_seconds":93784,"spool":{"state":")" +
        state + R"(","reason":)" + reason +
        R"(,"durability":"sync","messages":12,"open_recipients":1,"room_bytes":12400000,
      "at_start":{"rebuilt":1,"lost":2,"possible_repeats":3},"unrecorded":3,"unrecorded_limit":10000,
      "lost":0,"damaged":2,"commits":7,"commits_refused":1,"last_commit_at":"2026-09-21T14:17:20.000Z",
      "operations_per_commit":2.5,"seconds_per_commit":0.0042,"waiting_bytes":2048,"oldest_waiting_seconds":1.25},
      "queue":{"open":1,"ready":4,"in_flight":5,"held":6,"connections":1}})");
  };
  const Ran well = run_words({"status"}, {answer("accepting", "null")});
  CHECK(well.code == 0);
  CHECK(well.out ==
        "relayd        1.2.3, for 1 d 2 h\n"
        "spool         takes mail\n"
        "durability    sync\n"
        "messages      12, 1 recipient not finished\n"
        "queue         4 ready, 5 being delivered, 6 held, 1 connection\n"
        "unrecorded    3 of 10000 outcomes at most, 0 lost\n"
        "room          12.4 MB for new mail\n"
        "at the start  1 recipient rebuilt after damage, 2 lost to it; 3 deliveries may be repeated\n"
        "damaged       2 operations\n"
        "waiting       2.0 kB, the oldest for 1.2 s\n"
        "commits       7, each of 2.5 operations in 4.2 ms on average; 1 refused\n"
        "last commit   2026-09-21 14:17:20Z\n");
  CHECK(run_words({"status"}, {answer("full", "\"no room\"")})
            .out.find("refuses mail for now, and takes it again by itself: no room\n") != std::string::npos);
  CHECK(run_words({"status"}, {answer("damaged", "\"the last page\"")})
            .out.find("see BACKUP AND REPAIR in relayd(8): the last page\n") != std::string::npos);
  CHECK(run_words({"status"}, {answer("busy", "\"much waits\"")})
            .out.find("refuses mail for a moment: much waits\n") != std::string::npos);
  CHECK(run_words({"status"}, {answer("failed", "\"sync failed\"")})
            .out.find("restart relayd: sync failed\n") != std::string::npos);
}

TEST_CASE("a key and what it may do, in words") {
  const std::string key =
      R"({"id":"k","account":"acme","label":"shop","created_at":"2026-09-21T14:12:20.000Z","revoked_at":null,
      "policy":{"sending_domains":["a.example","b.example"],"from_addresses":["x@c.example"],"senders_checked":"both",
      "networks":["192.0.2.0/24"],"recipients_per_message":5,"message_bytes":2000,"messages_per_second":5E-1,
      "burst_messages":null,"messages_per_day":100,"sessions":1},"messages_today":7})";
  CHECK(run_words({"key", "show", "k"}, {ok(key)}).out ==
        "Id          k\nAccount     acme\nLabel       shop\nCreated     2026-09-21 14:12:20Z\n"
        "Domains     a.example, b.example\nAddresses   x@c.example\nChecked     both\n"
        "Networks    192.0.2.0/24\nRecipients  5\nSize        2kB\nPer second  0.5\n"
        "Per day     100, 7 sent today\nSessions    1\n");
  const std::string list = run_words({"key", "list"}, {ok(R"({"data":[)" + key + R"(],"next":null})")}).out;
  CHECK(list.find("a.example +2, 192.0.2.0/24, 0.5/s, 100 a day, 5 recipients, 2.0 kB, 1 session") !=
        std::string::npos);
}
