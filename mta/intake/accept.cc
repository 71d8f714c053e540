#include "mta/intake/accept.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "mta/base/log.h"
#include "mta/intake/complete.h"
#include "mta/intake/permission.h"
#include "mta/mime/decode.h"
#include "mta/mime/nesting.h"

namespace relay::intake {
namespace {

constexpr std::size_t summary_bytes =
    256;  // of From and Subject kept for lists: more is cut, the message itself is whole

wire::Reply reply(int code, const char* enhanced, std::string text) {
  return {code, enhanced, {std::move(text)}};
}

// The same mailbox named twice gets one message.
void merge_equal_recipients(std::vector<wire::Recipient>& recipients) {
  std::unordered_set<std::string> seen;
  std::erase_if(recipients, [&](const wire::Recipient& r) { return !seen.insert(r.address).second; });
}

std::optional<Refusal> check(const IntakeSettings& settings, const Submission& submission,
                             const wire::HeaderScan& headers) {
  if (submission.envelope.recipients.empty())
    return Refusal{Refused::no_recipients, reply(554, "5.5.1", "No recipients")};
  if (submission.envelope.recipients.size() > settings.recipients) {
    return Refusal{Refused::too_many_recipients,
                   reply(452, "4.5.3", fmt::format("More than {} recipients", settings.recipients))};
  }
  if (submission.content->size() > settings.message_bytes) {
    return Refusal{
        Refused::too_large,
        reply(552, "5.3.4", fmt::format("Message is larger than {} bytes", settings.message_bytes))};
  }
  if (!headers.complete) {
    return Refusal{
        Refused::header_too_large,
        reply(552, "5.3.4", fmt::format("Header section is larger than {} bytes", settings.header_bytes))};
  }
  if (headers.received > settings.received_hops)
    return Refusal{Refused::loop, reply(554, "5.4.6", "Too many hops: a mail loop")};
  if (mime::nested_deeper(*submission.content, settings.mime_depth)) {
    return Refusal{
        Refused::too_deep,
        reply(554, "5.6.0", fmt::format("More than {} MIME parts lie in each other", settings.mime_depth))};
  }
  return std::nullopt;
}

// RFC 3463 3.7: X.6.0, something about the content.
Refusal wrong_attributes(std::string sentence) {
  return {Refused::attributes, reply(554, "5.6.0", std::move(sentence))};
}

// When to send: as the header section or the envelope says. What is past means now.
std::optional<Refusal> settle_schedule(Submission& submission, Duration ahead, WallTime now) {
  std::optional<WallTime>& at = submission.attributes.scheduled;
  if (at && submission.hold)
    return wrong_attributes(
        "X-Relay-Scheduled-At and HOLDFOR or HOLDUNTIL of MAIL both say when to send; give one of them");
  if (submission.hold) at = submission.hold;
  if (!at) return std::nullopt;
  if (*at <= now) {
    at.reset();
    return std::nullopt;
  }
  const WallTime latest = now + std::chrono::floor<std::chrono::milliseconds>(ahead);
  if (*at <= latest) return std::nullopt;
  if (ahead == Duration::zero())
    return wrong_attributes("Messages cannot be scheduled here; send it without X-Relay-Scheduled-At");
  return wrong_attributes(fmt::format("The message is scheduled for {}; the latest that is taken now is {}",
                                      format_rfc3339(*at), format_rfc3339(latest)));
}

// All recipients as delivered: nothing of it is to be sent.
spool::Restore sandboxed(const spool::MessagePtr& message) {
  spool::Restore restore;
  restore.message = message;
  for (std::uint32_t i = 0; i < message->envelope.recipients.size(); ++i) {
    spool::EventRecord record;
    record.event.type = spool::EventType::delivered;
    record.event.at = message->accepted;
    record.event.recipient = i;
    record.event.detail = "a sandbox message: nothing was sent";
    record.status = spool::Status::delivered;
    record.attempts = 1;
    restore.recipients.push_back({record.status, record.attempts, {}, {std::move(record)}});
  }
  return restore;
}

spool::Operation operation_for(const spool::MessagePtr& message, bool counted) {
  if (!message->sandbox) return spool::Accept{message, message->since(), counted};
  spool::Restore restore = sandboxed(message);
  restore.counted = counted;
  return restore;
}

// As the rest of the summary: whatever the client wrote, one line of UTF-8.
std::string without_brackets(const std::string& raw) {
  const std::string id = mime::decode_value(raw, summary_bytes);
  std::string_view bare(id);
  if (bare.starts_with('<')) bare.remove_prefix(1);
  if (bare.ends_with('>')) bare.remove_suffix(1);
  return std::string(bare);
}

bool eight_bit(std::string_view bytes) {
  constexpr std::size_t block = 4096;
  for (std::size_t at = 0; at < bytes.size(); at += block) {
    unsigned seen = 0;  // no early end within a block, so that it is done many bytes at once
    for (const char c : bytes.substr(at, block)) seen |= static_cast<unsigned char>(c);
    if (seen >= 0x80) return true;
  }
  return false;
}

// What delivery must ask of the next host, whatever the way in has said: an envelope that claims too little
// would have hosts corrupt or refuse the message.
void complete_flags(wire::Envelope& envelope, const Body& content) {
  envelope.eight_bit = envelope.eight_bit || std::ranges::any_of(content.segments(), eight_bit);
  envelope.smtputf8 = envelope.smtputf8 || eight_bit(envelope.reverse_path) ||
                      std::ranges::any_of(envelope.recipients, eight_bit, &wire::Recipient::address);
}

spool::MessagePtr make_message(const IntakeSettings& settings, Submission submission,
                               const wire::HeaderScan& headers, WallTime now, Rng& rng) {
  auto message = std::make_shared<spool::Message>();
  message->id = MessageId::make(now, rng);
  message->account = AccountId{std::move(submission.who.account)};
  message->key = KeyId{std::move(submission.who.key)};
  message->origin = submission.origin;
  message->accepted = now;
  message->from = mime::decode_value(headers.from, summary_bytes);
  message->subject = mime::decode_value(headers.subject, summary_bytes);
  Completion added = complete(submission, headers, message->id, settings.host_name, now);
  message->rfc_message_id = without_brackets(added.message_id);
  Attributes& attributes = submission.attributes;
  message->tags = std::move(attributes.tags);
  message->metadata = std::move(attributes.metadata);
  message->stream = attributes.stream.value_or(spool::Stream::transactional);
  message->sandbox = attributes.sandbox.value_or(false);
  message->idempotency_key = std::move(attributes.idempotency_key);
  message->scheduled = attributes.scheduled;
  complete_flags(submission.envelope, *submission.content);
  message->envelope = std::move(submission.envelope);
  submission.content->prepend(std::move(added.header));
  message->size = submission.content->size();
  message->body = std::move(submission.content);
  return message;
}

Refused reason_of(spool::WriterState state) {
  switch (state) {
    case spool::WriterState::busy: return Refused::busy;
    case spool::WriterState::full: return Refused::full;
    case spool::WriterState::unavailable: return Refused::unavailable;
    case spool::WriterState::accepting:
    case spool::WriterState::damaged:
    case spool::WriterState::failed: break;
  }
  return Refused::failed;
}

Refused reason_of(const Error& error) {
  if (error.code == Errc::full) return Refused::full;
  return error.code == Errc::unavailable ? Refused::unavailable : Refused::failed;
}

// What the store's trouble is to a sender: RFC 3463 3.4, X.3.1 mail system full, X.3.0 other.
Refusal for_want_of_storage(Refused reason) {
  switch (reason) {
    case Refused::busy:
      return {reason, reply(452, "4.3.1", "Too much mail is waiting to be stored, try again later")};
    case Refused::full: return {reason, reply(452, "4.3.1", "Insufficient storage, try again later")};
    case Refused::unavailable:
      return {reason, reply(452, "4.3.1", "The storage cannot be written to now, try again later")};
    default: return {reason, reply(451, "4.3.0", "The message could not be stored, try again later")};
  }
}

// What waits holds its content; see Once::most_waiting.
Refusal too_many_at_once() {
  return {Refused::busy,
          reply(452, "4.3.1", "Too many messages with this idempotency key are under way, try again later")};
}

}  // namespace

std::string_view text(Refused reason) {
  switch (reason) {
    case Refused::no_recipients: return "no_recipients";
    case Refused::too_many_recipients: return "too_many_recipients";
    case Refused::too_large: return "too_large";
    case Refused::header_too_large: return "header_too_large";
    case Refused::loop: return "loop";
    case Refused::attributes: return "attributes";
    case Refused::too_deep: return "too_deep";
    case Refused::key: return "key";
    case Refused::network: return "network";
    case Refused::sender: return "sender";
    case Refused::rate_limit: return "rate_limit";
    case Refused::daily_limit: return "daily_limit";
    case Refused::busy: return "busy";
    case Refused::full: return "full";
    case Refused::unavailable: return "unavailable";
    case Refused::failed: return "failed";
  }
  return "unknown";
}

IntakeStats Intake::stats() const {
  IntakeStats stats;
  stats.from_smtp = accepted_[0].load(std::memory_order_relaxed);
  stats.from_http = accepted_[1].load(std::memory_order_relaxed);
  stats.recipients = recipients_.load(std::memory_order_relaxed);
  stats.bytes = bytes_.load(std::memory_order_relaxed);
  stats.repeated = repeated_.load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < refusals; ++i) stats.refused[i] = refused_[i].load(std::memory_order_relaxed);
  return stats;
}

std::optional<Refusal> Intake::turn_away() {
  const spool::WriterState state = writer_.state();
  if (state == spool::WriterState::accepting) return std::nullopt;
  const Refused reason = reason_of(state);
  refuse(reason);
  return for_want_of_storage(reason);
}

std::optional<Refusal> Intake::counted(std::optional<Refusal> refused, const wire::Identity& who) {
  if (!refused) return refused;
  refuse(refused->reason);
  log::info("refused account={} key={} reply={}", who.account, who.key,
            log::printable(refused->reply.text(), 500));
  return refused;
}

std::optional<Refusal> Intake::turn_away(const wire::Identity& who,
                                         std::optional<std::string_view> reverse_path, const Loop& home) {
  const KeyPtr known = keys_.find(who.key);
  if (!known || known->key.revoked) return counted(not_a_key(), who);
  const spool::KeyPolicy& policy = known->key.policy;
  std::optional<Refusal> refused;
  if (reverse_path) refused = check_reverse_path(policy, *reverse_path);
  if (!refused)
    if (const auto over = known->use->over(policy, home.now(), home.wall());
        over && !known->repeats->possible(home.now(), settings_.idempotency_window))
      refused = over_limit(policy, *over);
  return counted(std::move(refused), who);
}

std::optional<Refusal> Intake::turn_away_client(const wire::Identity& who, std::string_view address) {
  const KeyPtr known = keys_.find(who.key);
  return known ? counted(check_network(known->key.policy, known->networks, address), who) : std::nullopt;
}

void Intake::narrow(const wire::Identity& who, wire::Allowance& allowed) const {
  const KeyPtr known = keys_.find(who.key);
  if (!known) return;
  const spool::KeyPolicy& policy = known->key.policy;
  if (policy.message_bytes > 0) allowed.message_bytes = std::min(allowed.message_bytes, policy.message_bytes);
  if (policy.recipients > 0) allowed.recipients = std::min(allowed.recipients, policy.recipients);
}

std::optional<wire::Allowance::Release> Intake::release(WallTime now) const {
  if (settings_.schedule_ahead == Duration::zero()) return std::nullopt;
  return wire::Allowance::Release{
      std::chrono::floor<std::chrono::seconds>(settings_.schedule_ahead),
      now + std::chrono::floor<std::chrono::milliseconds>(settings_.schedule_ahead)};
}

// Everything that can be said of it before it has an id. Takes the X-Relay-* fields out of the content.
std::optional<Refusal> Intake::look_at(Submission& submission, const KnownKey* key, wire::HeaderScan& headers,
                                       WallTime now) const {
  if (key == nullptr || key->key.revoked) return not_a_key();
  headers = wire::scan_headers(*submission.content, settings_.header_bytes, attribute_prefix);
  if (auto refused = check(settings_, submission, headers)) return refused;
  if (auto refused = check_policy(*key, submission)) return refused;
  if (headers.hidden_private && submission.origin == spool::Origin::smtp)
    return wrong_attributes(
        "X-Relay-* fields stand behind a line that is no header field; mend that line, so that they count");
  if (headers.has_private && submission.origin == spool::Origin::smtp) {
    auto taken = take_attributes(*submission.content, headers.header_bytes, settings_.attributes);
    if (!taken) return wrong_attributes(std::move(taken.error()));
    submission.attributes = std::move(*taken);
    headers = wire::scan_headers(*submission.content, settings_.header_bytes);
  }
  return settle_schedule(submission, settings_.schedule_ahead, now);
}

// All of the key's policy but for what it has used.
std::optional<Refusal> Intake::check_policy(const KnownKey& key, const Submission& submission) const {
  const spool::KeyPolicy& policy = key.key.policy;
  if (auto refused = check_network(policy, key.networks, submission.peer.address)) return refused;
  if (auto refused = check_recipients(policy, submission.envelope.recipients.size())) return refused;
  if (auto refused = check_size(policy, submission.content->size())) return refused;
  if (auto refused = check_reverse_path(policy, submission.envelope.reverse_path)) return refused;
  return check_header(policy, *submission.content, settings_.header_bytes);
}

void Intake::accept(Submission submission, Loop& home, Rng& rng, Answer done) {
  const WallTime now = home.wall();
  merge_equal_recipients(submission.envelope.recipients);
  wire::HeaderScan headers;
  KeyPtr key = keys_.find(submission.who.key);
  if (auto refused = counted(look_at(submission, key.get(), headers, now), submission.who)) {
    home.post([done = std::move(done), refused = std::move(*refused)]() mutable {
      done(std::unexpected(std::move(refused)));
    });
    return;
  }
  spool::MessagePtr message = make_message(settings_, std::move(submission), headers, now, rng);
  if (message->idempotency_key.empty())
    commit(std::move(message), std::move(key), home, std::move(done));
  else
    accept_once(std::make_shared<Pending>(std::move(message), std::move(key), home, std::move(done)));
}

struct Intake::Pending {
  spool::MessagePtr message;
  KeyPtr key;
  Loop& home;
  Answer done;
};

void Intake::answer_again(Pending& pending, const Accepted& first) {
  log::info("answered again message={} account={}: it has come before with its idempotency key",
            first.id.text(), pending.message->account.value);
  add(repeated_, 1);
  pending.done(first);
}

void Intake::accept_once(const std::shared_ptr<Pending>& pending) {
  const spool::Message& message = *pending->message;
  Once::Ended ended = [this, pending](std::variant<Accepted, Once::Turn> end) {
    if (const auto* first = std::get_if<Accepted>(&end))
      answer_again(*pending, *first);
    else
      accept_in_turn(pending, std::move(std::get<Once::Turn>(end)));
  };
  const std::string name = message.account.value + (message.sandbox ? '\1' : '\0') + message.idempotency_key;
  auto begun = once_.begin(name, pending->home, ended);
  if (auto* turn = std::get_if<Once::Turn>(&begun)) return accept_in_turn(pending, std::move(*turn));
  if (std::holds_alternative<Once::Waits>(begun)) return;
  auto refused = counted(too_many_at_once(), {message.account.value, message.key.value});
  pending->home.post([pending, refused = std::move(*refused)]() mutable {
    pending->done(std::unexpected(std::move(refused)));
  });
}

// The look into the store comes after nobody else is under way with the key: whoever was has been committed.
void Intake::accept_in_turn(const std::shared_ptr<Pending>& pending, Once::Turn turn) {
  const spool::Message& message = *pending->message;
  const auto known = store_.find_by_key(message.idempotency());
  if (!known) {
    log::error("not accepted account={}: whether its idempotency key is known cannot be read: {}",
               message.account.value, known.error().message);
    refuse(Refused::failed);
    return pending->home.post(
        [pending] { pending->done(std::unexpected(for_want_of_storage(Refused::failed))); });
  }
  if (*known && message.accepted - (*known)->time() < settings_.idempotency_window) {
    const Accepted first{**known, (*known)->time()};
    turn.accepted(first);
    return pending->home.post([this, pending, first] { answer_again(*pending, first); });
  }
  pending->key->repeats->came(pending->home.now());
  commit(pending->message, pending->key, pending->home,
         [pending, turn = std::optional(std::move(turn))](AcceptResult result) mutable {
           if (result) turn->accepted(*result);
           turn.reset();
           pending->done(std::move(result));
         });
}

// What is taken of the key's rate and day for the message is given back unless it is stored.
void Intake::commit(spool::MessagePtr message, KeyPtr key, Loop& home, Answer done) {
  const spool::KeyPolicy& policy = key->key.policy;
  const auto taken_on = key->use->take(policy, home.now(), message->accepted);
  if (!taken_on) {
    auto refused =
        counted(over_limit(policy, taken_on.error()), {message->account.value, message->key.value});
    return home.post([done = std::move(done), refused = std::move(*refused)]() mutable {
      done(std::unexpected(std::move(refused)));
    });
  }
  // The callback is shared: it is called by the completion, or here if the writer's queue is full.
  auto answer = std::make_shared<Answer>(std::move(done));
  bool taken = writer_.submit(operation_for(message, policy.daily > 0), home,
                              [this, message, key, answer, day = *taken_on](const Result<void>& committed) {
                                if (!committed) key->use->give_back(key->key.policy, day);
                                on_committed(message, committed, *answer);
                              });
  if (taken) return;
  key->use->give_back(policy, *taken_on);
  refuse(Refused::busy);
  log::warn("refused message={}: too much mail waits for the disk", message->id.text());
  home.post([answer] { (*answer)(std::unexpected(for_want_of_storage(Refused::busy))); });
}

void Intake::on_committed(const spool::MessagePtr& message, const Result<void>& committed, Answer& done) {
  if (!committed) {
    const Refused reason = reason_of(committed.error());
    refuse(reason);
    log::error("not accepted message={}: {}", message->id.text(), committed.error().message);
    done(std::unexpected(for_want_of_storage(reason)));
    return;
  }
  log::info("accepted message={} account={} key={} from={} recipients={} size={} message-id={}{}{}",
            message->id.text(), message->account.value, message->key.value,
            log::printable(message->envelope.reverse_path), message->envelope.recipients.size(),
            message->size, log::printable(message->rfc_message_id),
            message->scheduled ? " scheduled=" + format_rfc3339(*message->scheduled) : "",
            message->sandbox ? " sandbox" : "");
  add(accepted_[message->origin == spool::Origin::smtp ? 0 : 1], 1);
  add(recipients_, message->envelope.recipients.size());
  add(bytes_, message->size);
  if (!message->sandbox) dispatcher_.enqueue(message);
  done(Accepted{message->id, message->accepted});
}

}  // namespace relay::intake
