#include "mta/queue/classify.h"

#include <doctest/doctest.h>

namespace relay::queue {
namespace {

using namespace std::chrono_literals;

Class classify(const std::vector<ClassifyRule>& rules, const wire::Reply& reply,
               wire::Stage stage = wire::Stage::rcpt, std::string_view host = "mx.example.com") {
  const auto made = Classifier::make(rules);
  REQUIRE(made.has_value());
  return made->classify(reply, stage, host);
}

TEST_CASE("classify: the first rule of which everything fits counts") {
  const std::vector<ClassifyRule> rules{
      {.text = "slow",
       .host = "*.big.example",
       .cause = Cause::throttling,
       .scope = Scope::source,
       .pause = 1h},
      {.code = "45x", .text = "quota", .cause = Cause::mailbox_full},
      {.code = "421",
       .enhanced = "4.7.*",
       .cause = Cause::policy,
       .scope = Scope::site,
       .treat = Treat::fail},
      {.text = "greylist", .stage = wire::Stage::rcpt, .cause = Cause::greylisting},
      {.text = "greylist", .cause = Cause::policy}};
  CHECK(classify(rules, {451, "4.7.1", {"SLOW down"}}, wire::Stage::mail, "mx1.big.example").pause == 1h);
  CHECK(classify(rules, {451, "4.7.1", {"slow"}}, wire::Stage::mail, "big.example").cause == Cause::other);
  CHECK(classify(rules, {452, "", {"over", "Quota"}}).cause == Cause::mailbox_full);
  CHECK(classify(rules, {552, "", {"quota"}}).cause == Cause::other);
  CHECK(classify(rules, {421, "4.7.28", {"x"}}).treat == Treat::fail);
  CHECK(classify(rules, {421, "4.3.2", {"x"}}).cause == Cause::other);
  CHECK(classify(rules, {421, "", {"x"}}).cause == Cause::other);
  CHECK(classify(rules, {450, "", {"Greylisted"}}).cause == Cause::greylisting);
  CHECK(classify(rules, {450, "", {"Greylisted"}}, wire::Stage::data).cause == Cause::policy);
}

TEST_CASE("classify: without rules everything is other, and what the host asks for is heard") {
  const Class c = Classifier().classify({450, "", {"try again in 7 minutes"}}, wire::Stage::rcpt, "");
  CHECK(c.cause == Cause::other);
  CHECK(c.treat == Treat::as_said);
  CHECK(c.pause == 7min);
}

TEST_CASE("classify: a reply of any length is looked at in bounded time") {
  const wire::Reply reply{550, "", {std::string(1'000'000, 'a') + "spam"}};
  CHECK(classify({{.text = "(a*)*spam", .cause = Cause::spam}}, reply).cause == Cause::other);
  CHECK(classify({{.text = "(a*)*$", .cause = Cause::spam}}, reply).cause == Cause::spam);
}

TEST_CASE("classify: rules that cannot be used are named") {
  const auto wrong = [](ClassifyRule rule) {
    auto made = Classifier::make({{.code = "421"}, std::move(rule)});
    REQUIRE_FALSE(made.has_value());
    CHECK(made.error().rule == 1);
    return made.error().reason;
  };
  CHECK(wrong({}).starts_with("it fits everything"));
  CHECK(wrong({.host = "mx.example.com"}).starts_with("it fits everything"));
  for (const char* code : {"4", "250", "4xxx", "x21", "45*"})
    CHECK(wrong({.code = code}).ends_with("is none of a refusal: 421, 45x, 5xx"));
  for (const char* code : {"5", "2.1.5", "4.7.", "5..1", "5.7.1234"})
    CHECK(wrong({.enhanced = code}).ends_with("is none of a refusal: 4.7.28, 5.7.*, x.2.2"));
  CHECK(wrong({.text = "(open"}).find("cannot be matched") != std::string::npos);
}

TEST_CASE("classify: the pause a host asks for") {
  const struct {
    const char* text;
    Duration pause;
  } said[] = {
      {"Greylisted, please try again in 300 seconds", 300s},
      {"4.2.0 Greylisted for 5 minutes; see http://postgrey.schweikert.ch/help/example.com.html", 5min},
      {"Try again later, in 1 hour", 1h},
      {"please retry after 00:10:00", 10min},
      {"Please wait 90s before trying again", 90s},
      {"temporarily deferred, 4 minutes left", 4min},
      {"You may send again 30 minutes later", 30min},
      {"Retry in 999999 hours", 24h},
      {"retry in 2 MINS", 2min},
  };
  for (const auto& one : said) {
    CAPTURE(one.text);
    CHECK(asked_pause(one.text) == one.pause);
  }
  for (const char* text :
       {"try again later", "too many messages: 500 in 5 minutes", "retry at 192.0.2.7", "again 0 seconds",
        "delayed message id 1234567 sec", "limit is 20 connections, try again later", ""}) {
    CAPTURE(text);
    CHECK(asked_pause(text) == std::nullopt);
  }
}

}  // namespace
}  // namespace relay::queue
