#include "tests/crash/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <ranges>
#include <utility>

namespace relay::crash {
namespace {

using spool::EventType;
using spool::Status;

WallTime at(std::uint32_t seconds) { return WallTime(std::chrono::seconds(seconds)); }

// Accepted at the second of its number.
MessageId id_of(std::uint32_t number) {
  MessageId id;
  const std::uint64_t ms = std::uint64_t{number} * 1000;
  for (std::size_t i = 0; i < 6; ++i) id.bytes[i] = static_cast<std::uint8_t>(ms >> (8 * (5 - i)));
  id.bytes[15] = 7;
  return id;
}

std::string content_of(std::uint32_t number, std::uint32_t size) {
  SeededRng rng(number);
  std::string bytes(size, '\0');
  rng.fill({reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()});
  return bytes;
}

std::string address_of(std::uint32_t recipient) {
  return fmt::format("r{}@d{}.example.net", recipient, recipient % 3);
}

// Half of the mail is of a key with a daily limit, all on one day.
bool counted(std::uint32_t number) { return number % 2 == 0; }

std::string key_of(std::uint32_t number) { return fmt::format("key{:09}", number); }

// What some messages carry: a key that one before had, too; a time later or earlier than their acceptance;
// and what DSNs are wished.
void add_attributes(std::uint32_t number, spool::Message& m) {
  if (number % 3 == 0) m.idempotency_key = fmt::format("k{}", number / 6);
  if (number % 5 == 0) m.scheduled = at(number % 2 == 0 ? number + 10 : number - 5);
  if (number % 7 == 0) {
    m.envelope.id = fmt::format("envelope {}", number);
    m.envelope.recipients.back().notify = wire::notify_never;
    m.envelope.recipients.back().original = "rfc822;someone@example.net";
    m.metadata = {{"number", std::to_string(number)}};
    m.stream = spool::Stream::bulk;
  }
}

bool same_attributes(const spool::Message& a, const spool::Message& b) {
  return a.idempotency_key == b.idempotency_key && a.scheduled == b.scheduled && a.metadata == b.metadata &&
         a.stream == b.stream && a.envelope.id == b.envelope.id &&
         a.envelope.recipients.back().notify == b.envelope.recipients.back().notify &&
         a.envelope.recipients.back().original == b.envelope.recipients.back().original;
}

spool::Accept accept(const Step& step) {
  spool::Message m;
  m.id = id_of(step.message);
  m.account.value = step.message % 2 == 0 ? "acme" : "other";
  m.key.value = key_of(1);
  m.origin = spool::Origin::smtp;
  m.accepted = at(step.message);
  m.envelope.reverse_path = "sender@example.org";
  for (std::uint32_t i = 0; i < step.recipients; ++i) m.envelope.recipients.push_back({address_of(i)});
  m.subject = fmt::format("number {}", step.message);
  m.body = std::make_shared<const Body>(content_of(step.message, step.size));
  m.size = m.body->size();
  add_attributes(step.message, m);
  const WallTime due = m.since();
  return {std::make_shared<const spool::Message>(std::move(m)), due, counted(step.message)};
}

// The message without its content.
spool::Message carried_by(std::uint32_t number) {
  Step step;
  step.message = number;
  step.recipients = 1;
  return *accept(step).message;
}

spool::Event event(const Step& step) {
  spool::Event e;
  e.type = step.event;
  e.at = at(step.message);
  if (step.kind == Step::Kind::attempted) {
    e.stage = "sending RCPT TO";
    e.host = "mx.example.net [192.0.2.1]:25";
    e.reply = {450, "4.2.1", {"busy", "later"}};
  }
  return e;
}

}  // namespace

spool::Operation operation(const Step& step) {
  const RecipientRef ref{id_of(step.message), step.recipient};
  switch (step.kind) {
    case Step::Kind::accept: return accept(step);
    case Step::Kind::attempted:
      return spool::Attempted{
          .ref = ref, .event = event(step), .status = step.status, .due = at(step.message + 60)};
    case Step::Kind::set_status:
      return spool::SetStatus{
          .ref = ref, .event = event(step), .status = step.status, .due = at(step.message)};
    case Step::Kind::put_key: {
      spool::ApiKey key;
      key.id.value = key_of(step.message);
      key.account.value = "acme";
      key.created = at(step.message);
      return spool::PutKey{key};
    }
    case Step::Kind::purge: return spool::Purge{.before = at(step.message)};
  }
  return spool::Purge{};
}

std::string describe(const Step& step) {
  switch (step.kind) {
    case Step::Kind::accept:
      return fmt::format("accept {} of {} bytes to {} recipients", step.message, step.size, step.recipients);
    case Step::Kind::put_key: return fmt::format("key {}", step.message);
    case Step::Kind::purge: return fmt::format("purge before {}", step.message);
    default:
      return fmt::format("{} #{}: {}, {}", step.message, step.recipient, text(step.event), text(step.status));
  }
}

// ---- what operations do ----

bool Model::Mail::open() const {
  return std::ranges::any_of(recipients, [](const Recipient& r) { return !terminal(r.status); });
}

void Model::apply(const Step& step) {
  switch (step.kind) {
    case Step::Kind::accept:
      last_message_ = std::max(last_message_, step.message);
      if (mails_.try_emplace(step.message, Mail{step.size, std::vector<Recipient>(step.recipients)}).second &&
          counted(step.message))
        ++sent_;
      if (const auto carried = carried_by(step.message); !carried.idempotency_key.empty())
        by_key_[carried.idempotency()] = step.message;
      return;
    case Step::Kind::put_key:
      last_key_ = std::max(last_key_, step.message);
      keys_.insert(step.message);
      return;
    case Step::Kind::purge:
      purged_before_ = std::max(purged_before_, step.message);
      std::erase_if(mails_, [&](const auto& mail) {
        return carried_by(mail.first).since() < at(step.message) && !mail.second.open();
      });
      std::erase_if(by_key_, [&](const auto& key) { return !mails_.contains(key.second); });
      return;
    default: change(step);
  }
}

void Model::change(const Step& step) {
  const auto mail = mails_.find(step.message);
  if (mail == mails_.end() || step.recipient >= mail->second.recipients.size()) return;
  Recipient& recipient = mail->second.recipients[step.recipient];
  if (terminal(recipient.status)) return;
  const bool attempt = step.kind == Step::Kind::attempted;
  const bool stays_held = attempt && recipient.status == Status::held && step.status == Status::queued;
  if (!stays_held) recipient.status = step.status;
  if (attempt) ++recipient.attempts;
  recipient.events.push_back(step.event);
}

// ---- what the store has ----

Model::Size Model::size() const {
  Size size{.messages = mails_.size(), .keys = keys_.size(), .sent = sent_};
  for (const Mail& mail : mails_ | std::views::values)
    for (const Recipient& recipient : mail.recipients) {
      if (!terminal(recipient.status)) ++size.open;
      size.events += recipient.events.size();
    }
  return size;
}

namespace {

// Of every message; `each` is told about each.
template <class Each>
Result<void> for_each_message(spool::Store& store, Each each) {
  spool::MessageQuery query{.account = {}, .before = {}, .limit = 100};
  for (;;) {
    const auto page = store.list(query);
    if (!page) return std::unexpected(page.error());
    for (const auto& view : *page) each(view.message.id);
    if (page->size() < query.limit) return {};
    query.before = page->back().message.id;
  }
}

}  // namespace

Result<Model::Size> Model::size_of(spool::Store& store) {
  Size size;
  std::optional<Error> failed;
  const auto listed = for_each_message(store, [&](MessageId id) {
    ++size.messages;
    const auto view = store.find(id);
    if (!view || !*view) {
      failed = view ? Error{Errc::corrupt, id.text() + " is listed and cannot be found"} : view.error();
      return;
    }
    if (!(*view)->damage.empty()) failed = Error{Errc::corrupt, (*view)->damage.front()};
    // A `queued` event for each recipient is not stored.
    size.events += (*view)->events.size() - (*view)->recipients.size();
  });
  if (!listed) return std::unexpected(listed.error());
  if (failed) return std::unexpected(*failed);
  const auto claimed = store.claim(
      [&](const spool::QueueEntry&) { return ++size.open, true; },
      [&](const spool::Damage& damage) { failed = Error{Errc::corrupt, damage.what}; }, [] { return true; });
  if (!claimed) return std::unexpected(claimed.error());
  if (failed) return std::unexpected(*failed);
  const auto keys = store.keys();
  if (!keys) return std::unexpected(keys.error());
  size.keys = keys->size();
  const auto days = store.key_days();
  if (!days) return std::unexpected(days.error());
  for (const auto& day : *days) size.sent += day.messages;
  return size;
}

std::optional<std::string> Model::difference(spool::Store& store) const {
  const auto counts = store.counts();
  if (!counts) return counts.error().message;
  const Size wanted = size();
  if (counts->messages != wanted.messages || counts->queued != wanted.open)
    return fmt::format("{} messages and {} open recipients instead of {} and {}", counts->messages,
                       counts->queued, wanted.messages, wanted.open);
  for (const auto& [number, mail] : mails_)
    if (auto found = difference(mail, number, store)) return found;
  const auto days = store.key_days();
  if (!days) return days.error().message;
  const std::uint64_t sent = days->empty() ? 0 : days->front().messages;
  if (sent != sent_) return fmt::format("{} messages counted instead of {}", sent, sent_);
  for (std::uint32_t number = 0; number <= last_message_; number += 3)
    if (auto found = difference_by_key(number, store)) return found;
  const auto keys = store.keys();
  if (!keys) return keys.error().message;
  if (keys->size() != keys_.size()) return fmt::format("{} keys instead of {}", keys->size(), keys_.size());
  for (const auto number : keys_)
    if (std::ranges::none_of(*keys, [&](const auto& key) { return key.id.value == key_of(number); }))
      return fmt::format("key {} is not there", number);
  return {};
}

// Of the idempotency key that this message had, if it was there.
std::optional<std::string> Model::difference_by_key(std::uint32_t number, spool::Store& store) const {
  const auto carried = carried_by(number);
  const auto wanted = by_key_.find(carried.idempotency());
  const auto found = store.find_by_key(carried.idempotency());
  if (!found) return found.error().message;
  if (found->has_value() == (wanted != by_key_.end()) && (!*found || **found == id_of(wanted->second)))
    return {};
  return fmt::format("the idempotency key of message {} leads to {}", number,
                     *found ? (*found)->text() : std::string("none"));
}

std::optional<std::string> Model::difference(const Mail& mail, std::uint32_t number,
                                             spool::Store& store) const {
  const auto view = store.find(id_of(number));
  if (!view) return view.error().message;
  if (!*view) return fmt::format("message {} is not there", number);
  if (!same_attributes((*view)->message, carried_by(number)))
    return fmt::format("message {} carries something else than was accepted", number);
  if ((*view)->recipients.size() != mail.recipients.size())
    return fmt::format("message {} has {} recipients", number, (*view)->recipients.size());
  for (std::uint32_t i = 0; i < mail.recipients.size(); ++i) {
    const Recipient& wanted = mail.recipients[i];
    const auto& is = (*view)->recipients[i];
    std::vector<EventType> events;
    for (const auto& e : (*view)->events)
      if (e.recipient == i && e.type != EventType::queued) events.push_back(e.type);
    std::ranges::sort(events);  // they are listed by time, and times repeat
    std::vector<EventType> wanted_events = wanted.events;
    std::ranges::sort(wanted_events);
    if (is.status != wanted.status || is.attempts != wanted.attempts || events != wanted_events)
      return fmt::format("message {} #{} is {} after {} attempts and {} events instead of {} after {} and {}",
                         number, i, text(is.status), is.attempts, events.size(), text(wanted.status),
                         wanted.attempts, wanted_events.size());
    if (is.address != address_of(i)) return fmt::format("message {} #{} is to {}", number, i, is.address);
  }
  const auto loaded = store.load(id_of(number));
  if (!mail.open()) {
    if (loaded || loaded.error().code != Errc::not_found)
      return fmt::format("closed message {} still has its content", number);
    return {};
  }
  if (!loaded) return loaded.error().message;
  if ((*loaded)->body->flatten() != content_of(number, mail.size))
    return fmt::format("message {} has other content than was accepted", number);
  return {};
}

// ---- the workload ----

Step Model::propose(Rng& rng) {
  Step step = [&] {
    const std::uint64_t dice = rng.below(100);
    if (mails_.empty() || dice < 35) return propose_accept(rng);
    if (dice < 94) return propose_change(rng);
    Step other;
    other.kind = dice < 97 ? Step::Kind::purge : Step::Kind::put_key;
    if (other.kind == Step::Kind::put_key) {
      other.message = last_key_ + 1;
    } else {  // never back: a purge has a memory
      const std::uint32_t recent = last_message_ - std::min<std::uint32_t>(last_message_, 20);
      other.message = std::max(purged_before_, recent);
    }
    return other;
  }();
  step.waits = step.kind != Step::Kind::attempted || rng.below(3) == 0;
  step.pause = rng.below(4) == 0;
  return step;
}

Step Model::propose_accept(Rng& rng) {
  Step step;
  step.message = last_message_ + 1;
  step.recipients = 1 + static_cast<std::uint32_t>(rng.below(4));
  if (rng.below(20) == 0) step.recipients = 300;  // its record goes on in `rest`
  step.size = static_cast<std::uint32_t>(rng.below(rng.below(4) == 0 ? 100'000 : 6'000));
  return step;
}

// Of a message among the newest: deferred, delivered, failed, held, released, cancelled.
Step Model::propose_change(Rng& rng) const {
  auto mail = mails_.rbegin();
  for (std::uint64_t back = rng.below(std::min<std::size_t>(mails_.size(), 30)); back > 0; --back) ++mail;
  Step step;
  step.message = mail->first;
  const auto& recipients = mail->second.recipients;
  step.recipient = static_cast<std::uint32_t>(rng.below(recipients.size()));
  for (std::size_t i = 0; i < recipients.size() && terminal(recipients[step.recipient].status); ++i)
    step.recipient = static_cast<std::uint32_t>((step.recipient + 1) % recipients.size());
  const auto becomes = [&](Step::Kind kind, EventType type, Status status) {
    step.kind = kind;
    step.event = type;
    step.status = status;
    return step;
  };
  const std::uint64_t dice = rng.below(100);
  if (dice < 60) return becomes(Step::Kind::attempted, EventType::delivered, Status::delivered);
  if (dice < 80) return becomes(Step::Kind::attempted, EventType::deferred, Status::queued);
  if (dice < 88) return becomes(Step::Kind::attempted, EventType::failed, Status::failed);
  if (dice < 92) return becomes(Step::Kind::set_status, EventType::held, Status::held);
  if (dice < 96) return becomes(Step::Kind::set_status, EventType::released, Status::queued);
  return becomes(Step::Kind::set_status, EventType::cancelled, Status::cancelled);
}

}  // namespace relay::crash
