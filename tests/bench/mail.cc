#include "tests/bench/mail.h"

#include <string>
#include <utility>

namespace relay::bench {

using namespace relay::spool;

MailSource::MailSource(std::size_t body_bytes)
    : rng_(static_cast<std::uint64_t>(system_wall().time_since_epoch().count())),
      body_(std::make_shared<const Body>(std::string(body_bytes, 'x'))) {}

MessagePtr MailSource::make(WallTime at, BodyPtr body, std::size_t recipients) {
  Message m;
  m.id = MessageId::make(at, rng_);
  m.account.value = "acme";
  m.key.value = "abcdefghjkmn";
  m.accepted = at;
  m.envelope.reverse_path = "sender@example.org";
  m.envelope.recipients.assign(recipients, {"somebody@example.net"});
  m.from = "Sender <sender@example.org>";
  m.subject = "A subject of the usual length, more or less";
  m.rfc_message_id = "01234567890123456789@example.org";
  m.body = std::move(body);
  m.size = m.body->size();
  return std::make_shared<const Message>(std::move(m));
}

Attempted delivered(const RecipientRef& ref, WallTime at) {
  Attempted outcome;
  outcome.ref = ref;
  outcome.status = Status::delivered;
  outcome.event.type = EventType::delivered;
  outcome.event.recipient = ref.index;
  outcome.event.at = at;
  outcome.event.stage = "sending the message";
  outcome.event.host = "mx.example.net [192.0.2.1]:25";
  outcome.event.reply = {250, "2.0.0", {"Ok: queued as 4ZqFJk1B2Cz3"}};
  return outcome;
}

Attempted deferred(const RecipientRef& ref, WallTime at) {
  Attempted outcome = delivered(ref, at);
  outcome.status = Status::queued;
  outcome.event.type = EventType::deferred;
  outcome.event.reply = {450, "4.2.1", {"The mailbox is busy, please try again later"}};
  outcome.due = at + std::chrono::minutes(5);
  return outcome;
}

Runner::~Runner() {
  post({});
  thread_.join();
}

void Runner::post(Task task) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  changed_.notify_one();
}

void Runner::run() {
  for (;;) {
    std::deque<Task> tasks;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return !tasks_.empty(); });
      tasks.swap(tasks_);
    }
    for (auto& task : tasks) {
      if (!task) return;
      task();
    }
  }
}

}  // namespace relay::bench
