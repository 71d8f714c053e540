#include "relay-api/explain.h"

#include <doctest/doctest.h>

using namespace relay;
using namespace relay::api;
using spool::Status;

namespace {

const WallTime now{std::chrono::seconds(1'790'000'000)};

spool::RecipientState recipient(Status status, std::uint32_t attempts = 0) {
  spool::RecipientState r;
  r.address = "b@example.net";
  r.status = status;
  r.attempts = attempts;
  r.next_attempt = now + std::chrono::minutes(4);
  return r;
}

spool::Event refusal() {
  spool::Event event;
  event.type = spool::EventType::deferred;
  event.at = now - std::chrono::minutes(1);
  event.stage = "sending RCPT TO";
  event.host = "mx.example.net [192.0.2.1]:25";
  event.reply = {451, "4.7.1", {"Later"}};
  return event;
}

}  // namespace

TEST_CASE("the status of a message follows from its recipients") {
  struct Case {
    std::vector<Status> recipients;
    std::string_view word;
  };
  for (const auto& [statuses, word] : {
           Case{{Status::queued}, "queued"},
           Case{{Status::delivered, Status::queued, Status::failed}, "queued"},
           Case{{Status::held, Status::queued}, "queued"},
           Case{{Status::held, Status::delivered}, "held"},
           Case{{Status::delivered, Status::delivered}, "delivered"},
           Case{{Status::delivered, Status::failed}, "partially_delivered"},
           Case{{Status::delivered, Status::cancelled}, "partially_delivered"},
           Case{{Status::failed}, "failed"},
           Case{{Status::failed, Status::cancelled}, "failed"},
           Case{{Status::cancelled, Status::cancelled}, "cancelled"},
       }) {
    std::vector<spool::RecipientState> recipients;
    for (const Status status : statuses) recipients.push_back(recipient(status));
    CHECK(overall(recipients) == word);
  }
}

TEST_CASE("moments in words") {
  using namespace std::chrono_literals;
  struct Case {
    std::chrono::milliseconds from_now;
    std::string_view words;
  };
  for (const auto& [gap, words] : {
           Case{0ms, "now"},
           Case{400ms, "now"},
           Case{-400ms, "now"},
           Case{1s, "in 1 second"},
           Case{59s, "in 59 seconds"},
           Case{60s, "in 1 minute"},
           Case{252s, "in 4 minutes 12 seconds"},
           Case{599s, "in 9 minutes 59 seconds"},
           Case{12min + 30s, "in 12 minutes"},
           Case{1h, "in 1 hour"},
           Case{2h + 10min, "in 2 hours 10 minutes"},
           Case{24h, "in 1 day"},
           Case{75h, "in 3 days 3 hours"},
           Case{-5min, "5 minutes ago"},
       })
    CHECK(when(now + gap, now) == words);
}

TEST_CASE("a recipient's state is a sentence") {
  CHECK(explain(recipient(Status::queued), now) == "Waiting for its first attempt, due in 4 minutes.");
  auto deferred = recipient(Status::queued, 3);
  deferred.last = refusal();
  CHECK(explain(deferred, now) ==
        "Deferred after 3 attempts; the next attempt is due in 4 minutes. Last time, mx.example.net "
        "[192.0.2.1]:25 "
        "answered \"451 4.7.1 Later\" while sending RCPT TO.");
  auto delivered = recipient(Status::delivered, 1);
  delivered.last = refusal();
  delivered.last->reply = {250, "2.0.0", {"Ok"}};
  CHECK(explain(delivered, now) ==
        "Delivered 1 minute ago: mx.example.net [192.0.2.1]:25 answered \"250 2.0.0 Ok\".");
  auto failed = recipient(Status::failed, 1);
  failed.last = refusal();
  failed.last->reply = {};
  failed.last->detail = "the domain does not exist";
  failed.last->host.clear();
  CHECK(explain(failed, now) == "Failed for good 1 minute ago: the domain does not exist.");
  auto doubtful = refusal();
  doubtful.in_doubt = true;
  CHECK(explain(doubtful).find("may have it") != std::string::npos);
  CHECK(explain(recipient(Status::held), now).find("released") != std::string::npos);
  CHECK(explain(recipient(Status::cancelled), now).find("Cancelled") == 0);
}

TEST_CASE("what is scheduled says so, until its time or until it is to be sent at once") {
  spool::MessageView view;
  view.message.scheduled = now + std::chrono::hours(3);
  view.recipients = {recipient(Status::queued)};
  view.recipients[0].next_attempt = *view.message.scheduled;
  CHECK(explain(view, now) == "Scheduled for " + format_rfc3339(*view.message.scheduled) + ", in 3 hours.");
  CHECK(explain(view, *view.message.scheduled) == "Waiting for its first attempt, due now.");
  view.recipients[0].next_attempt = now;
  CHECK(explain(view, now) == "Waiting for its first attempt, due now.");
  view.recipients[0].status = Status::held;
  CHECK(explain(view, now) == "Held by an administrator; it waits until it is released.");
}

TEST_CASE("a message of several recipients is summed up") {
  spool::MessageView view;
  view.recipients = {recipient(Status::delivered), recipient(Status::delivered), recipient(Status::queued),
                     recipient(Status::failed)};
  CHECK(explain(view, now) ==
        "Of 4 recipients: 2 delivered, 1 queued, 1 failed. The next attempt is due in 4 minutes.");
  view.recipients = {recipient(Status::queued)};
  CHECK(explain(view, now) == explain(view.recipients[0], now));
}
