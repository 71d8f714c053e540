#include "mta/sink/store.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

using namespace relay;

namespace {

struct TemporaryDirectory {
  std::string path;
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "sink-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path); }
};

wire::SubmitRequest request(const std::string& text) {
  wire::SubmitRequest r;
  r.envelope.reverse_path = "a@example.com";
  r.envelope.recipients = {{"b@example.org"}, {"\"q \\\" r\"@example.org"}};
  r.envelope.eight_bit = true;
  r.content = std::make_shared<Body>(text.substr(0, text.size() / 2));
  r.content->append(text.substr(text.size() / 2));
  r.helo = "client.example";
  r.peer = {"127.0.0.1", 4321};
  r.tls = true;
  return r;
}

}  // namespace

TEST_CASE("a message comes back from the sink's store as it was taken") {
  const TemporaryDirectory dir;
  auto store = sink::MailStore::open(dir.path + "/new/deep");
  REQUIRE(store.has_value());
  const std::string text = std::string("Subject: 8-bit \xff\xfe\r\n\r\n.dot\r\n\0nul\r\n", 33);
  const WallTime at{std::chrono::milliseconds(1795000000123)};
  const auto added = store->add(request(text), at);
  REQUIRE(added.has_value());
  CHECK(added->number == 1);

  const auto mail = sink::find(dir.path + "/new/deep", 1);
  REQUIRE(mail.has_value());
  CHECK(mail->received == at);
  CHECK(mail->from == "a@example.com");
  CHECK(mail->recipients == std::vector<std::string>{"b@example.org", "\"q \\\" r\"@example.org"});
  CHECK(mail->subject == "8-bit \xef\xbf\xbd\xef\xbf\xbd");
  CHECK(mail->size == text.size());
  CHECK(mail->peer == "127.0.0.1:4321");
  CHECK(mail->helo == "client.example");
  CHECK(mail->tls);
  CHECK(mail->eight_bit);
  CHECK_FALSE(mail->smtputf8);
  CHECK(sink::content(dir.path + "/new/deep", 1) == text);
}

TEST_CASE("numbers go on after a restart, and files of others are passed over") {
  const TemporaryDirectory dir;
  REQUIRE(sink::MailStore::open(dir.path)->add(request("x\r\n"), {}).has_value());
  for (const char* name : {"README.json", "7.json", "000009.json.part", "000012.eml", "-00001.json"})
    std::ofstream(dir.path + "/" + name) << "{}";
  auto again = sink::MailStore::open(dir.path);
  REQUIRE(again.has_value());
  CHECK(again->add(request("y\r\n"), {})->number == 13);
  const auto all = sink::list(dir.path);
  REQUIRE(all.has_value());
  REQUIRE(all->size() == 2);
  CHECK((*all)[0].number == 1);
  CHECK((*all)[1].number == 13);
}

TEST_CASE("the sink's store says what is missing or damaged") {
  const TemporaryDirectory dir;
  CHECK(sink::list(dir.path + "/none").error().code == Errc::not_found);
  CHECK(sink::find(dir.path, 1).error().code == Errc::not_found);
  CHECK(sink::content(dir.path, 1).error().code == Errc::not_found);
  for (const char* damaged : {"", "{", "[]", "{}", R"({"number":"x"})"}) {
    std::ofstream(dir.path + "/000001.json") << damaged;
    CHECK(sink::find(dir.path, 1).error().code == Errc::corrupt);
  }
  CHECK_FALSE(sink::MailStore::open(dir.path + "/000001.json/below").has_value());
}
