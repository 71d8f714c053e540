#include "relay-api/json_in.h"

#include <doctest/doctest.h>

#include <fmt/format.h>

#include <algorithm>

using namespace relay;
using namespace relay::api;

namespace {

ApiSettings small() {
  ApiSettings settings;
  settings.host_name = "relay.test";
  settings.recipients_per_field = 3;
  settings.attachment_bytes = 10;
  settings.attachments = 2;
  settings.headers = 2;
  settings.header_value_bytes = 20;
  settings.subject_bytes = 20;
  settings.tags = 2;
  settings.tag_bytes = 5;
  return settings;
}

// "pointer code", sorted.
std::vector<std::string> faults_of(const std::string& body) {
  const auto request = read_message(body, small());
  if (request) return {};
  CHECK(request.error().status == 422);
  CHECK(request.error().code == "validation_failed");
  std::vector<std::string> all;
  for (const Fault& fault : request.error().faults) {
    CHECK(fault.in == Fault::In::body);
    CHECK(!fault.detail.empty());
    CHECK(fault.detail.ends_with('.'));
    all.push_back(fault.where + " " + fault.code);
  }
  std::sort(all.begin(), all.end());
  return all;
}

// A message that is right but for the members given.
std::string with(const std::string& members) {
  return R"({"from":"a@example.org","to":"b@example.net","text":"x",)" + members + "}";
}

}  // namespace

TEST_CASE("every fault of a message has its pointer and code") {
  using Faults = std::vector<std::string>;
  struct Case {
    std::string body;
    Faults faults;
  };
  for (
      const auto& [body, faults] : {
          Case{R"({})", {"/from required", "/text required", "/to required"}},
          Case{R"([])", {" wrong_type"}},
          Case{R"("x")", {" wrong_type"}},
          Case{R"({"from":null,"to":null,"text":null})",
               {"/from required", "/text required", "/to required"}},
          Case{R"({"from":"a@example.org","text":"x","to":[]})", {"/to required"}},
          Case{R"({"from":["a@example.org"],"to":"b@example.net","text":"x"})", {"/from wrong_type"}},
          Case{R"({"from":7,"to":"b@example.net","text":"x"})", {"/from wrong_type"}},
          Case{R"({"from":"nobody","to":"b@example.net","text":"x"})", {"/from invalid_address"}},
          Case{R"({"from":"a@example.org, c@example.org","to":"b@example.net","text":"x"})",
               {"/from invalid_address"}},
          Case{R"({"from":{"name":"A"},"to":"b@example.net","text":"x"})", {"/from/email required"}},
          Case{R"({"from":{"email":7},"to":"b@example.net","text":"x"})", {"/from/email wrong_type"}},
          Case{R"({"from":{"email":"A <a@example.org>"},"to":"b@example.net","text":"x"})",
               {"/from/email invalid_address"}},
          Case{R"({"from":{"email":"a@example.org","mail":1},"to":"b@example.net","text":"x"})",
               {"/from/mail unknown_field"}},
          Case{R"({"from":{"email":"a@example.org","name":"x\r\nBcc: y"},"to":"b@example.net","text":"x"})",
               {"/from/name invalid_character"}},
          Case{with(R"("cc":["c@example.org","","d@",5,{}])"), {"/cc too_many"}},
          Case{with(R"("cc":["","d@",5])"),
               {"/cc/0 invalid_address", "/cc/1 invalid_address", "/cc/2 wrong_type"}},
          Case{with(R"("bcc":[null,{}])"), {"/bcc/0 wrong_type", "/bcc/1/email required"}},
          Case{with(R"("reply_to":["a@[1.2.3.4","a b@example.org"])"),
               {"/reply_to/0 invalid_address", "/reply_to/1 invalid_address"}},
          Case{with(R"("subject":7)"), {"/subject wrong_type"}},
          Case{with(R"("subject":"a\nBcc: b@example.org")"), {"/subject invalid_character"}},
          Case{with(R"("subject":"a\u0000b")"), {"/subject invalid_character"}},
          Case{with(R"("subject":"123456789012345678901")"), {"/subject too_large"}},
          Case{with(R"("body":"y")"), {"/body conflict"}},
          Case{with(R"("html":[])"), {"/html wrong_type"}},
          Case{with(R"("headers":[])"), {"/headers wrong_type"}},
          Case{with(R"("headers":{"X-A":1})"), {"/headers/X-A wrong_type"}},
          Case{with(R"("headers":{"X A":"1","X/é~":"2"})"),
               {"/headers/X A invalid_header", "/headers/X~1é~0 invalid_header"}},
          Case{with(R"("headers":{"X:A":"1","":"2"})"),
               {"/headers/ invalid_header", "/headers/X:A invalid_header"}},
          Case{with(R"("headers":{"X-A":"1\r\n2"})"), {"/headers/X-A invalid_character"}},
          Case{with(R"("headers":{"X-A":"123456789012345678901"})"), {"/headers/X-A too_large"}},
          Case{with(R"("headers":{"X-A":"1","X-B":"2","X-C":"3"})"), {"/headers too_many"}},
          Case{with(R"("headers":{"Bcc":"b@example.org","DKIM-Signature":"x"})"),
               {"/headers/Bcc reserved_header", "/headers/DKIM-Signature reserved_header"}},
          Case{with(R"("headers":{"content-type":"text/x","x-RELAY-id":"x"})"),
               {"/headers/content-type reserved_header", "/headers/x-RELAY-id reserved_header"}},
          Case{with(R"("tags":"a")"), {"/tags wrong_type"}},
          Case{with(R"("tags":["",7])"), {"/tags/0 invalid_character", "/tags/1 wrong_type"}},
          Case{with(R"("tags":["123456"])"), {"/tags/0 too_large"}},
          Case{with(R"("tags":["1","2","3"])"), {"/tags too_many"}},
          Case{with(R"("attachments":{})"), {"/attachments wrong_type"}},
          Case{with(R"("attachments":["x",{}])"),
               {"/attachments/0 wrong_type", "/attachments/1/content required",
                "/attachments/1/filename required"}},
          Case{
              with(
                  R"("attachments":[{"filename":"","content":"x","content_type":"png","content_id":"a b","size":1}])"),
              {"/attachments/0/content invalid_base64", "/attachments/0/content_id invalid_content_id",
               "/attachments/0/content_type invalid_media_type", "/attachments/0/filename invalid_filename",
               "/attachments/0/size unknown_field"}},
          Case{with(R"("attachments":[{"filename":1,"content":2,"content_type":3,"content_id":4}])"),
               {"/attachments/0/content wrong_type", "/attachments/0/content_id wrong_type",
                "/attachments/0/content_type wrong_type", "/attachments/0/filename wrong_type"}},
          Case{
              with(
                  R"("attachments":[{"filename":"a","content":"MTIzNDU2","content_type":"Multipart/mixed"},{"filename":"b","content":"MTIzNDU2"}])"),
              {"/attachments too_large", "/attachments/0/content_type invalid_media_type"}},
          Case{with(R"("attachments":[{},{},{}])"), {"/attachments too_many"}},
          Case{with(R"("Subject":"x","to2":1)"), {"/Subject unknown_field", "/to2 unknown_field"}},
          Case{R"({"from":"x","to":"y","subject":1,"tags":[1],"what":0})",
               {"/from invalid_address", "/subject wrong_type", "/tags/0 wrong_type", "/text required",
                "/to invalid_address", "/what unknown_field"}},
      }) {
    CAPTURE(body);
    CHECK(faults_of(body) == faults);
  }
}

TEST_CASE("a message is read whole") {
  const auto request = read_message(R"({
    "from": {"email": "a@EXAMPLE.org", "name": "A, the First"}, "to": ["B <b@example.net>", "c@example.net"],
    "cc": "d@example.net", "bcc": [{"email": "e@example.net"}, "b@Example.NET"], "reply_to": "r@example.org",
    "subject": "Grüße", "text": "t", "html": "<p>h</p>", "headers": {"X-A": "1"}, "tags": ["one"],
    "attachments": [{"filename": "ü.txt", "content": "Zm9v", "content_type": "text/plain; charset=utf-8", "content_id": "a@b"}]})",
                                    small());
  REQUIRE(request);
  const mime::Draft& draft = request->draft;
  CHECK(draft.from.name == "A, the First");
  CHECK(draft.from.address == "a@example.org");
  REQUIRE(draft.to.size() == 2);
  CHECK(draft.to[0].name == "B");
  CHECK(draft.cc.size() == 1);
  CHECK(draft.reply_to.size() == 1);
  CHECK(draft.subject == "Grüße");
  CHECK(draft.text == "t");
  CHECK(draft.html == "<p>h</p>");
  REQUIRE(draft.headers.size() == 1);
  CHECK(draft.headers[0] == std::pair<std::string, std::string>("X-A", "1"));
  REQUIRE(draft.attachments.size() == 1);
  CHECK(draft.attachments[0].content == "foo");
  CHECK(draft.attachments[0].filename == "ü.txt");
  CHECK(request->tags == std::vector<std::string>{"one"});
  CHECK(request->envelope.reverse_path == "a@example.org");
  std::string recipients;
  for (const auto& r : request->envelope.recipients) recipients += r.address + " ";
  CHECK(recipients == "b@example.net c@example.net d@example.net e@example.net ");
  CHECK(!request->envelope.smtputf8);
}

TEST_CASE("body is text under another name, null is absent") {
  const auto request = read_message(
      R"({"from":"a@example.org","bcc":"b@example.net","to":null,"body":"t","text":null,"tags":null})",
      small());
  REQUIRE(request);
  CHECK(request->draft.text == "t");
  CHECK(!request->draft.html);
  CHECK(request->draft.to.empty());
  CHECK(request->envelope.recipients.size() == 1);
}

TEST_CASE("SMTPUTF8 is asked for only where a local part needs it") {
  struct Case {
    std::string body;
    bool smtputf8;
  };
  for (const auto& [body, smtputf8] : {
           Case{R"({"from":"Ä <a@example.org>","to":"b@bücher.example","subject":"ü","text":"ü"})", false},
           Case{R"({"from":"ä@example.org","to":"b@example.net","text":"x"})", true},
           Case{R"({"from":"a@example.org","to":"bücher@example.net","text":"x"})", true},
           Case{R"({"from":"a@example.org","bcc":"bücher@example.net","text":"x"})", true},
           Case{R"({"from":"a@example.org","to":"b@example.net","reply_to":"ü@example.net","text":"x"})",
                true},
       }) {
    CAPTURE(body);
    const auto request = read_message(body, small());
    REQUIRE(request);
    CHECK(request->envelope.smtputf8 == smtputf8);
  }
  const auto request =
      read_message(R"({"from":"a@example.org","to":"b@BÜCHER.example","text":"x"})", small());
  REQUIRE(request);
  CHECK(request->envelope.recipients[0].address == "b@xn--bcher-kva.example");
}

TEST_CASE("what is not JSON is 400") {
  for (const std::string body : {"", "{", "from=a", R"({"from":"a@b.c","from":"d@e.f"})"}) {
    CAPTURE(body);
    const auto request = read_message(body, small());
    REQUIRE(!request);
    CHECK(request.error().status == 400);
    CHECK(request.error().code == "invalid_json");
  }
}

TEST_CASE("only JSON in UTF-8 is taken") {
  struct Case {
    std::vector<std::pair<std::string, std::string>> headers;
    bool taken;
  };
  for (const auto& [headers, taken] : {
           Case{{}, false},
           Case{{{"content-type", "application/json"}}, true},
           Case{{{"content-type", "Application/JSON; charset=\"UTF-8\""}}, true},
           Case{{{"content-type", "application/json;charset=utf-8"}}, true},
           Case{{{"content-type", "application/json; charset=iso-8859-1"}}, false},
           Case{{{"content-type", "application/jsonx"}}, false},
           Case{{{"content-type", "text/json"}}, false},
           Case{{{"content-type", "application/x-www-form-urlencoded"}}, false},
           Case{{{"content-type", "application/json"}, {"content-encoding", "gzip"}}, false},
           Case{{{"content-type", "application/json"}, {"content-encoding", "identity"}}, true},
       }) {
    net::HttpRequest request;
    request.headers = headers;
    const auto problem = refuse_unless_json(request);
    CHECK(!problem.has_value() == taken);
    if (problem) CHECK(problem->status == 415);
  }
}

TEST_CASE("what compose refuses becomes a fault at its pointer") {
  const Problem problem = compose_problem({Errc::invalid, "/headers/X-A: has a word too long"});
  CHECK(problem.status == 422);
  REQUIRE(problem.faults.size() == 1);
  CHECK(problem.faults[0].where == "/headers/X-A");
  CHECK(problem.faults[0].detail == "Has a word too long.");
  CHECK(compose_problem({Errc::system, "/dev/full"}).status == 500);
}
