#include "mta/queue/trouble.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

using namespace relay;
using namespace relay::queue;
using namespace relay::wire;

namespace {

const Stage stages[] = {Stage::connect,   Stage::greeting,  Stage::ehlo, Stage::helo, Stage::starttls,
                        Stage::handshake, Stage::auth,      Stage::mail, Stage::rcpt, Stage::data,
                        Stage::content,   Stage::final_dot, Stage::rset, Stage::quit};

// One letter a stage, in the order above:
// D delivered, F failed, d deferred, n deferred and the next host may do better, ? deferred in doubt.
std::string letters(const Answer& answer) {
  std::string row;
  for (const Stage stage : stages) {
    const Verdict v = judge({stage, answer}, Classifier(), "");
    CHECK(!v.detail.empty());
    char letter = v.try_next_host ? 'n' : v.in_doubt ? '?' : 'd';
    CHECK_FALSE((v.in_doubt && v.try_next_host));
    if (v.disposition != Disposition::deferred) {
      CHECK_FALSE(v.in_doubt);
      CHECK_FALSE(v.try_next_host);
      letter = v.disposition == Disposition::delivered ? 'D' : 'F';
    }
    row += letter;
  }
  return row;
}

Reply reply(int code, std::string enhanced = "") { return {code, std::move(enhanced), {"text"}}; }

}  // namespace

TEST_CASE("judge: every answer at every stage") {
  const struct {
    std::string_view name;
    Answer answer;
    std::string_view verdicts;
  } cases[] = {
      // connect greeting ehlo helo starttls handshake auth | mail rcpt data content | final_dot | rset quit
      {"250", reply(250, "2.0.0"), "nnnnnnnnnnnDnn"},
      {"251", reply(251), "nnnnnnnnnnnDnn"},
      {"354", reply(354), "nnnnnnnnnnn?nn"},
      {"421", reply(421, "4.3.2"), "nnnnnnnnnnnnnn"},
      {"450", reply(450, "4.2.1"), "nnnnnnndddddnn"},
      {"451", reply(451), "nnnnnnndddddnn"},
      {"452", reply(452, "4.5.3"), "nnnnnnndddddnn"},
      {"454", reply(454, "4.7.0"), "nnnnnnndddddnn"},
      {"455", reply(455), "nnnnnnndddddnn"},
      {"500", reply(500), "nnnnnndFFFFFnn"},
      {"501", reply(501), "nnnnnndFFFFFnn"},
      {"502", reply(502), "nnnnnndFFFFFnn"},
      {"503", reply(503), "nnnnnndFFFFFnn"},
      {"521", reply(521), "nnnnnndFFFFFnn"},
      {"530", reply(530, "5.7.0"), "nnnnnnddFFFFnn"},
      {"550", reply(550, "5.1.1"), "nnnnnndFFFFFnn"},
      {"551", reply(551), "nnnnnndFFFFFnn"},
      {"552", reply(552), "nnnnnndFdFFFnn"},
      {"552, too many recipients", reply(552, "5.5.3"), "nnnnnndFdFFFnn"},
      {"552, mailbox full", reply(552, "5.2.2"), "nnnnnndFFFFFnn"},
      {"553", reply(553), "nnnnnndFFFFFnn"},
      {"554", reply(554, "5.7.1"), "nnnnnndFFFFFnn"},
      {"599", reply(599), "nnnnnndFFFFFnn"},
      {"no code at all", reply(0), "nnnnnnnnnnn?nn"},
      {"closed", Closed{Closed::Why::end_of_file, ""}, "nnnnnnnnnnn?nn"},
      {"reset", Closed{Closed::Why::reset, "broken pipe"}, "nnnnnnnnnnn?nn"},
      {"connect failed", Closed{Closed::Why::connect_failed, "connection refused"}, "nnnnnnnnnnn?nn"},
      {"connect timed out", Closed{Closed::Why::connect_timeout, ""}, "nnnnnnnnnnn?nn"},
      {"TLS failed", Closed{Closed::Why::tls_failed, "bad record"}, "nnnnnnnnnnn?nn"},
      {"timed out", TimedOut{}, "nnnnnnnnnnn?nn"},
      {"no SMTPUTF8", Unsupported{"SMTPUTF8"}, "FFFFFFFFFFFFFF"},
      {"too large", Unsupported{"SIZE"}, "FFFFFFFFFFFFFF"},
      {"no 8BITMIME", Unsupported{"8BITMIME"}, "FFFFFFFFFFFFFF"},
      {"no STARTTLS", Unsupported{"STARTTLS"}, "nnnnnnnnnnnnnn"},
      {"no AUTH", Unsupported{"AUTH", "x"}, "nnnnnnnnnnnnnn"},
      {"no REQUIRETLS", Unsupported{"REQUIRETLS"}, "FFFFFFFFFFFFFF"},
      {"no other extension", Unsupported{"LIMITS"}, "nnnnnnnnnnnnnn"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    CHECK(letters(c.answer) == c.verdicts);
  }
}

TEST_CASE("judge: the sentence for people") {
  const struct {
    Fact fact;
    std::string_view detail;
  } cases[] = {
      {{Stage::final_dot, Reply{250, "2.0.0", {"queued as 7"}}}, "250 2.0.0 queued as 7"},
      {{Stage::rcpt, Reply{550, "5.1.1", {"no such user", "here"}}},
       "550 5.1.1 no such user here (while sending RCPT TO)"},
      {{Stage::greeting, Reply{554, "", {"go away"}}}, "554 go away (while waiting for the greeting)"},
      {{Stage::final_dot, Reply{554, "5.7.1", {"spam"}}},
       "554 5.7.1 spam (while waiting for the reply to the end of the message)"},
      {{Stage::rcpt, TimedOut{}}, "timed out while sending RCPT TO"},
      {{Stage::connect, Closed{Closed::Why::connect_failed, "connection refused"}},
       "connection refused while connecting"},
      {{Stage::connect, Closed{Closed::Why::connect_timeout, ""}}, "timed out while connecting"},
      {{Stage::data, Closed{Closed::Why::end_of_file, ""}},
       "the host closed the connection while sending DATA"},
      {{Stage::content, Closed{Closed::Why::reset, ""}}, "the connection was lost while sending the message"},
      {{Stage::handshake, Closed{Closed::Why::tls_failed, "certificate has expired"}},
       "certificate has expired while negotiating TLS"},
      {{Stage::mail, Unsupported{"SMTPUTF8"}},
       "5.6.7 the host does not support SMTPUTF8, which this message's addresses or headers need"},
      {{Stage::mail, Unsupported{"SIZE"}}, "5.3.4 the message is larger than the host takes"},
      {{Stage::ehlo, Unsupported{"STARTTLS"}}, "the host does not offer STARTTLS, which is required"},
      {{Stage::starttls, Unsupported{"STARTTLS", "454 no certificate"}},
       "the host refused STARTTLS, which is required: 454 no certificate"},
      {{Stage::ehlo, Unsupported{"AUTH", "the session is not under TLS"}},
       "the host cannot be authenticated to: the session is not under TLS"},
      {{Stage::mail, Unsupported{"REQUIRETLS"}},
       "5.7.30 the host does not offer REQUIRETLS, which this message demands"},
      {{Stage::mail, Unsupported{"REQUIRETLS", "the session is not under TLS"}},
       "5.7.10 this message demands verified TLS, and the session is not under TLS"},
  };
  for (const auto& c : cases) CHECK(judge(c.fact, Classifier(), "").detail == c.detail);
}

TEST_CASE("judge: a detail is short, and never ends within a character") {
  for (int lead = 0; lead < 3; ++lead) {
    std::string text(static_cast<std::size_t>(lead), 'x');
    for (int i = 0; i < 20000; ++i) text += "\xe2\x82\xac";
    const std::string detail = judge({Stage::rcpt, Reply{550, "", {text}}}, Classifier(), "").detail;
    CHECK(detail.size() < 1100);
    const auto end = detail.find("...");
    REQUIRE(end != std::string::npos);
    CHECK(detail.substr(end - 3, 3) == "\xe2\x82\xac");
  }
}

TEST_CASE("retry pauses grow by the factor, stop at the longest, and are spread") {
  RetrySettings settings;
  settings.jitter = 0;
  SeededRng rng(1);
  const std::vector<int> minutes{1, 2, 4, 8, 16, 32, 64, 128, 240, 240};
  for (std::uint32_t i = 0; i < minutes.size(); ++i) {
    const auto pause = retry_pause(settings, i + 1, Duration::zero(), rng);
    CHECK(pause == std::chrono::minutes(minutes[i]));
  }
  CHECK(retry_pause(settings, 0, Duration::zero(), rng) == std::chrono::minutes(1));
  CHECK(retry_pause(settings, 4'000'000'000u, Duration::zero(), rng) == settings.longest);
  settings.factor = 1.0;
  CHECK(retry_pause(settings, 50, Duration::zero(), rng) == settings.first);
}

TEST_CASE("retry pauses stay within the jitter, and use all of it") {
  const RetrySettings settings;
  SeededRng rng(7);
  for (const std::uint32_t attempts : {1u, 5u, 20u}) {
    RetrySettings exact;
    exact.jitter = 0;
    const double middle =
        std::chrono::duration<double>(retry_pause(exact, attempts, Duration::zero(), rng)).count();
    double least = middle * 2, most = 0;
    for (int i = 0; i < 2000; ++i) {
      const double pause =
          std::chrono::duration<double>(retry_pause(settings, attempts, Duration::zero(), rng)).count();
      least = std::min(least, pause);
      most = std::max(most, pause);
    }
    CHECK(least >= middle * 0.8 - 1e-6);
    CHECK(most <= middle * 1.2 + 1e-6);
    CHECK(least < middle * 0.82);
    CHECK(most > middle * 1.18);
  }
}

TEST_CASE("judge: what the table of refusals changes, and where it cannot") {
  auto made = Classifier::make(
      {{.text = "busy", .cause = Cause::throttling, .scope = Scope::site, .treat = Treat::defer},
       {.text = "never", .cause = Cause::policy, .treat = Treat::fail},
       {.text = "grey", .cause = Cause::greylisting, .pause = std::chrono::minutes(5)},
       {.text = "personal", .cause = Cause::throttling, .scope = Scope::recipient}});
  REQUIRE(made.has_value());
  const auto judged = [&](Stage stage, int code, const char* text) {
    return judge({stage, Reply{code, "", {text}}}, *made, "mx.example.com");
  };
  CHECK(judged(Stage::rcpt, 550, "busy").disposition == Disposition::deferred);
  CHECK(judged(Stage::rcpt, 550, "busy").slow_down);
  CHECK(judged(Stage::final_dot, 450, "never").disposition == Disposition::failed);
  CHECK_FALSE(judged(Stage::final_dot, 450, "never").slow_down);
  CHECK(judged(Stage::rcpt, 421, "never").disposition == Disposition::deferred);
  CHECK(judged(Stage::greeting, 450, "never").disposition == Disposition::deferred);
  CHECK(judged(Stage::greeting, 554, "busy").slow_down);
  CHECK(judged(Stage::greeting, 554, "busy").try_next_host);
  CHECK(judged(Stage::rcpt, 450, "grey").about->pause == std::chrono::minutes(5));
  CHECK_FALSE(judged(Stage::rcpt, 450, "personal").slow_down);
  CHECK_FALSE(judge({Stage::final_dot, Reply{250, "", {"busy"}}}, *made, "").about.has_value());
  CHECK_FALSE(judge({Stage::rcpt, TimedOut{}}, *made, "").about.has_value());
}

TEST_CASE("retry pause: a host that asks for one gets it, and not for ever") {
  RetrySettings settings;
  SeededRng rng(7);
  using std::chrono::minutes;
  for (const std::uint32_t attempts : {1u, 5u, 10u}) {
    const auto pause = retry_pause(settings, attempts, minutes(5), rng);
    CHECK(pause >= minutes(5));
    CHECK(pause <= minutes(6));
  }
  CHECK(retry_pause(settings, 1, std::chrono::seconds(1), rng) >=
        settings.first);  // no host sets a pace of seconds
  CHECK(retry_pause(settings, 11, std::chrono::seconds(1), rng) > std::chrono::hours(3));
  CHECK(retry_pause(settings, 20, std::chrono::hours(20), rng) == std::chrono::hours(20));
}
