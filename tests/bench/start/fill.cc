#include "tests/bench/start/fill.h"

#include "mta/base/clock.h"
#include "mta/base/rng.h"
#include "spool/lmdb.h"
#include "tests/bench/start/child.h"

namespace relay::bench {
namespace {

using spool::Accept;
using spool::Message;

// Where the recipients of message `number` are; those due now come first.
std::string domain_of(const Fill& how, std::uint64_t first_recipient, std::uint32_t index, Rng& rng) {
  if (first_recipient < how.due)
    return "s" + std::to_string(first_recipient / how.per_message % 4) + ".sink.example";
  if (first_recipient < how.due + how.dead) return "dead.example";
  return "d" + std::to_string((rng.below(how.domains) + index) % how.domains) + ".waiting.example";
}

Accept accept(const Fill& how, std::uint64_t first_recipient, WallTime now, const BodyPtr& body, Rng& rng) {
  Message m;
  m.accepted = now - std::chrono::minutes(rng.below(600));
  m.id = MessageId::make(m.accepted, rng);
  m.account.value = "demo";
  m.key.value = "abcdefghjkmn";
  m.envelope.reverse_path = "bounces@sender.example";
  for (std::uint32_t i = 0; i < how.per_message; ++i)
    m.envelope.recipients.push_back(
        {"someone" + std::to_string(first_recipient + i) + "@" + domain_of(how, first_recipient, i, rng)});
  m.from = "Sender <news@sender.example>";
  m.subject = "Number " + std::to_string(first_recipient);
  m.body = body;
  m.size = body->size();
  const bool due = first_recipient < how.due + how.dead;
  const auto later = std::chrono::hours(1) + std::chrono::seconds(rng.below(20 * 3600));
  return {std::make_shared<const Message>(std::move(m)), due ? now : now + later};
}

void commit(spool::Store& store, std::vector<spool::Operation>& batch) {
  if (auto applied = store.apply(batch); !applied) give_up(applied.error().message);
  batch.clear();
}

void deliver(spool::Store& store, const std::vector<MessageId>& messages, std::uint32_t per_message,
             WallTime now) {
  std::vector<spool::Operation> batch;
  for (const MessageId& id : messages) {
    for (std::uint32_t i = 0; i < per_message; ++i) {
      spool::Event event;
      event.type = spool::EventType::delivered;
      event.at = now;
      event.recipient = i;
      batch.emplace_back(spool::Attempted{{id, i}, event, spool::Status::delivered, now});
    }
    if (batch.size() >= 10000) commit(store, batch);
  }
  commit(store, batch);
}

}  // namespace

void fill(const Fill& how) {
  auto store = spool::open_lmdb({.directory = how.directory, .durability = spool::Durability::none});
  if (!store) give_up(store.error().message);
  SeededRng rng(1);
  std::string text = "Subject: hello\r\n\r\n";
  while (text.size() < how.body_bytes) text += "A line of a message that waits for its time.\r\n";
  const auto body = std::make_shared<const Body>(text);
  const WallTime now = system_wall();
  std::vector<spool::Operation> batch;
  std::vector<MessageId> messages;
  for (std::uint64_t first = 0; first < how.recipients; first += how.per_message) {
    Accept one = accept(how, first, now, body, rng);
    messages.push_back(one.message->id);
    batch.emplace_back(std::move(one));
    if (batch.size() >= 5000) commit(**store, batch);
  }
  commit(**store, batch);
  if (how.deliver) deliver(**store, messages, how.per_message, now);
}

}  // namespace relay::bench
