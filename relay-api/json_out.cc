#include "relay-api/json_out.h"

#include <boost/json.hpp>

#include "relay-api/explain.h"
#include "relay-api/key_policy.h"
#include "relay-api/query.h"
#include "relay-api/utf8.h"

namespace relay::api {
namespace json = boost::json;
namespace {

json::value moment(const std::optional<WallTime>& at) {
  if (!at) return nullptr;
  return json::value(format_rfc3339(*at));
}

// Null if damage has left nothing of when it is due.
json::value next_moment(spool::Status status, WallTime due) {
  if (status != spool::Status::queued || due == WallTime()) return nullptr;
  return json::value(format_rfc3339(due));
}

json::object reply_object(const wire::Reply& reply) {
  json::object out{{"code", reply.code}};
  out["enhanced"] = reply.enhanced.empty() ? json::value(nullptr) : json::value(valid_utf8(reply.enhanced));
  out["text"] = valid_utf8(reply.text());
  return out;
}

// Fields an event of this type has no use for are left out.
json::object event_object(const spool::Event& event) {
  json::object out{{"type", spool::text(event.type)}, {"at", format_rfc3339(event.at)}};
  if (!event.host.empty()) out["host"] = valid_utf8(event.host);
  if (!event.stage.empty()) out["stage"] = valid_utf8(event.stage);
  if (event.reply.code != 0) out["reply"] = reply_object(event.reply);
  if (!event.detail.empty()) out["detail"] = valid_utf8(event.detail);
  const bool attempt = event.type == spool::EventType::delivered ||
                       event.type == spool::EventType::deferred || event.type == spool::EventType::failed;
  if (attempt) {
    out["tls"] = event.tls;
    out["in_doubt"] = event.in_doubt;
    out["duration_ms"] = event.duration_ms;
  }
  return out;
}

// Null for what was not said.
json::value optional_text(std::string_view text) {
  return text.empty() ? json::value(nullptr) : json::value(valid_utf8(text));
}

// NOTIFY (RFC 3461 4.1); null if the sender has not said.
json::value notify_value(std::uint8_t notify) {
  if (notify == 0) return nullptr;
  json::array out;
  for (const auto& [bit, name] : {std::pair(wire::notify_never, "never"),
                                  {wire::notify_success, "success"},
                                  {wire::notify_failure, "failure"},
                                  {wire::notify_delay, "delay"}})
    if (notify & bit) out.emplace_back(name);
  return out;
}

json::object recipient_object(const spool::MessageView& view, std::size_t index) {
  const spool::RecipientState& recipient = view.recipients.at(index);
  const auto& recipients = view.message.envelope.recipients;
  const wire::Recipient envelope = index < recipients.size() ? recipients[index] : wire::Recipient{};
  json::object out{{"address", valid_utf8(recipient.address)},
                   {"notify", notify_value(envelope.notify)},
                   {"original_recipient", optional_text(envelope.original)},
                   {"status", spool::text(recipient.status)},
                   {"attempts", recipient.attempts},
                   {"next_attempt_at", next_moment(recipient.status, recipient.next_attempt)}};
  const bool answered = recipient.last && recipient.last->reply.code != 0;
  out["last_reply"] = answered ? json::value(reply_object(recipient.last->reply)) : json::value(nullptr);
  out["last_error"] = recipient.last && !answered && !recipient.last->detail.empty()
                          ? json::value(valid_utf8(recipient.last->detail))
                          : json::value(nullptr);
  return out;
}

json::array damage_array(const spool::MessageView& view) {
  json::array out;
  for (const std::string& sentence : view.damage) out.emplace_back(valid_utf8(sentence));
  return out;
}

// Of a message whose record is damaged.
json::object unknown_object(const spool::MessageView& view, Reader reader) {
  json::object out{{"id", view.message.id.text()}, {"status", overall(view.recipients)}};
  for (const char* name : {"from", "subject", "message_id", "created_at", "size"}) out[name] = nullptr;
  out["to"] = json::array();
  out["tags"] = json::array();
  out["metadata"] = json::object();
  for (const char* name :
       {"stream", "sandbox", "idempotency_key", "scheduled_at", "envelope_id", "dsn_return"})
    out[name] = nullptr;
  if (reader == Reader::administrator) {
    for (const char* name : {"account", "key", "origin", "reverse_path"}) out[name] = nullptr;
    out["damage"] = damage_array(view);
  }
  return out;
}

// What the message carries besides its content.
void add_attributes(json::object& out, const spool::Message& message) {
  json::array tags;
  for (const auto& tag : message.tags) tags.emplace_back(valid_utf8(tag));
  json::object metadata;
  for (const auto& [name, value] : message.metadata) metadata[valid_utf8(name)] = valid_utf8(value);
  out["tags"] = std::move(tags);
  out["metadata"] = std::move(metadata);
  out["stream"] = spool::text(message.stream);
  out["sandbox"] = message.sandbox;
  out["idempotency_key"] = optional_text(message.idempotency_key);
  out["scheduled_at"] = moment(message.scheduled);
  out["envelope_id"] = optional_text(message.envelope.id);
  const wire::DsnReturn ret = message.envelope.ret;
  out["dsn_return"] = ret == wire::DsnReturn::unsaid ? json::value(nullptr)
                      : ret == wire::DsnReturn::full ? json::value("full")
                                                     : json::value("headers");
}

// The parts that lists show too.
json::object summary_object(const spool::MessageView& view, Reader reader) {
  if (view.recipients.empty() && !view.damage.empty()) return unknown_object(view, reader);
  const spool::Message& message = view.message;
  json::object out{{"id", message.id.text()},
                   {"status", overall(view.recipients)},
                   {"from", valid_utf8(message.from)},
                   {"subject", valid_utf8(message.subject)},
                   {"message_id", valid_utf8(message.rfc_message_id)},
                   {"created_at", format_rfc3339(message.accepted)},
                   {"size", message.size}};
  json::array to;
  for (const auto& recipient : view.recipients) to.emplace_back(valid_utf8(recipient.address));
  out["to"] = std::move(to);
  add_attributes(out, message);
  if (reader == Reader::administrator) {
    out["account"] = message.account.value;
    out["key"] = message.key.value;
    out["origin"] = message.origin == spool::Origin::smtp ? "smtp" : "http";
    out["reverse_path"] = valid_utf8(message.envelope.reverse_path);
    out["damage"] = damage_array(view);
  }
  return out;
}

std::string address_of(const spool::MessageView& view, std::uint32_t index) {
  return index < view.recipients.size() ? valid_utf8(view.recipients[index].address) : std::string();
}

json::array recipient_array(const spool::MessageView& view) {
  json::array out;
  for (std::size_t i = 0; i < view.recipients.size(); ++i) out.push_back(recipient_object(view, i));
  return out;
}

json::array event_array(const spool::MessageView& view) {
  json::array out;
  for (const auto& event : view.events) {
    json::object one = event_object(event);
    one["recipient"] = address_of(view, event.recipient);
    out.push_back(std::move(one));
  }
  return out;
}

// What damage has left nothing of is null: the state if the domain is not known, the rest if the address is
// not.
json::object queue_object(const spool::QueueRow& row) {
  const spool::QueueEntry& entry = row.entry;
  const bool state = row.damage.empty() || !entry.domain.empty();
  const bool message = row.damage.empty() || !row.address.empty();
  const auto known = [](bool is_known, json::value value) { return is_known ? value : json::value(nullptr); };
  return {{"message", entry.ref.message.text()},
          {"recipient", entry.ref.index},
          {"address", known(message, json::value(valid_utf8(row.address)))},
          {"domain", known(state, json::value(valid_utf8(entry.domain)))},
          {"status", state ? spool::text(entry.status) : "unknown"},
          {"attempts", known(state, entry.attempts)},
          {"accepted_at", known(state, json::value(format_rfc3339(entry.ref.message.time())))},
          {"reverse_path", known(message, json::value(valid_utf8(row.reverse_path)))},
          {"account", known(message, json::value(row.account.value))},
          {"size", known(message, row.size)},
          {"scheduled_at", known(message, moment(row.scheduled))},
          {"next_attempt_at", known(state, next_moment(entry.status, entry.due))},
          {"damage", known(!row.damage.empty(), json::value(valid_utf8(row.damage)))}};
}

json::object key_object(const spool::ApiKey& key) {
  return {{"id", key.id.value},
          {"account", key.account.value},
          {"label", valid_utf8(key.label)},
          {"created_at", format_rfc3339(key.created)},
          {"revoked_at", moment(key.revoked)},
          {"policy", policy_object(key.policy)}};
}

json::object tls_object(const TlsStatus& tls) {
  json::array certificates;
  for (const net::CertificateFacts& one : tls.certificates) {
    json::array names;
    for (const std::string& name : one.names) names.emplace_back(valid_utf8(name));
    certificates.push_back(json::object{{"file", valid_utf8(one.file)},
                                        {"names", std::move(names)},
                                        {"not_before", format_rfc3339(one.not_before)},
                                        {"not_after", format_rfc3339(one.not_after)}});
  }
  return {{"certificates", std::move(certificates)},
          {"failure", tls.failure.empty() ? json::value(nullptr) : json::value(valid_utf8(tls.failure))}};
}

// {"data":[…],"next":…}: next is what the following page starts from, null on the last.
std::string page(json::array data, std::optional<std::string> next) {
  json::object out{{"data", std::move(data)}};
  out["next"] = next ? json::value(*next) : json::value(nullptr);
  return json::serialize(out);
}

}  // namespace

std::string json_accepted(const MessageId& id) {
  return json::serialize(
      json::object{{"id", id.text()}, {"status", "queued"}, {"message", "Email accepted for delivery."}});
}

std::string json_message(const spool::MessageView& view, Reader reader) {
  json::object out = summary_object(view, reader);
  out["recipients"] = recipient_array(view);
  out["events"] = event_array(view);
  return json::serialize(out);
}

std::string json_message_list(const std::vector<spool::MessageView>& views, bool more, Reader reader) {
  json::array data;
  for (const auto& view : views) data.push_back(summary_object(view, reader));
  return page(std::move(data),
              more && !views.empty() ? std::optional(views.back().message.id.text()) : std::nullopt);
}

std::string json_why(const spool::MessageView& view, WallTime now) {
  json::array recipients;
  for (std::uint32_t i = 0; i < view.recipients.size(); ++i) {
    const spool::RecipientState& recipient = view.recipients[i];
    json::object one = recipient_object(view, i);
    one["sentence"] = valid_utf8(explain(view, i, now));
    one["next_attempt"] = recipient.status == spool::Status::queued
                              ? json::value(due(recipient.next_attempt, now))
                              : json::value(nullptr);
    json::array history;
    for (const auto& event : view.events)
      if (event.recipient == i && event.type != spool::EventType::queued)
        history.push_back(event_object(event));
    one["history"] = std::move(history);
    recipients.push_back(std::move(one));
  }
  json::object out = summary_object(view, Reader::administrator);
  out["sentence"] = valid_utf8(explain(view, now));
  out["recipients"] = std::move(recipients);
  return json::serialize(out);
}

std::string json_queue(const std::vector<spool::QueueRow>& rows, bool more) {
  json::array data;
  for (const auto& row : rows) data.push_back(queue_object(row));
  return page(std::move(data),
              more && !rows.empty() ? std::optional(cursor_of(rows.back().entry.ref)) : std::nullopt);
}

std::string json_control(const queue::ControlResult& result) {
  return json::serialize(json::object{
      {"changed", result.changed}, {"in_flight", result.in_flight}, {"damaged", result.damaged}});
}

std::string json_stats(const spool::Counts& counts, const queue::SchedulerStats& stats) {
  return json::serialize(
      json::object{{"spool", json::object{{"messages", counts.messages}, {"open_recipients", counts.queued}}},
                   {"queue", json::object{{"open", stats.open},
                                          {"ready", stats.ready},
                                          {"in_flight", stats.in_flight},
                                          {"held", stats.held},
                                          {"connections", stats.connections}}},
                   {"attempts", json::object{{"delivered", stats.delivered},
                                             {"deferred", stats.deferred},
                                             {"failed", stats.failed},
                                             {"in_doubt", stats.in_doubt}}}});
}

std::string json_spool(const std::string& directory) {
  return json::serialize(json::object{{"directory", valid_utf8(directory)}});
}

std::string json_status(const About& about, WallTime now, const StoreStatus& store,
                        const queue::SchedulerStats& queue, const std::optional<TlsStatus>& tls) {
  const spool::WriterStats& writer = store.writer;
  const auto seconds = [](Duration d) { return std::chrono::duration<double>(d).count(); };
  const auto mean = [&writer](double sum) {
    return writer.commits == 0 ? 0.0 : sum / static_cast<double>(writer.commits);
  };
  json::object spool{
      {"state", spool::text(writer.state)},
      {"reason", writer.reason.empty() ? json::value(nullptr) : json::value(writer.reason)},
      {"durability", about.durability},
      {"messages", store.counts.messages},
      {"open_recipients", store.counts.queued},
      {"room_bytes", store.space.room},
      {"at_start", json::object{{"rebuilt", store.claimed.rebuilt},
                                {"lost", store.claimed.lost},
                                {"possible_repeats", about.possible_repeats}}},
      {"unrecorded", writer.unrecorded},
      {"unrecorded_limit", about.unrecorded},
      {"lost", writer.lost},
      {"damaged", writer.damaged},
      {"commits", writer.commits},
      {"commits_refused", writer.refusals},
      {"last_commit_at", writer.commits > 0 ? moment(writer.last_commit) : json::value(nullptr)},
      {"operations_per_commit", mean(writer.batch_operations.sum())},
      {"seconds_per_commit", mean(writer.commit_seconds.sum())},
      {"waiting_bytes", writer.waiting_bytes},
      {"oldest_waiting_seconds", seconds(writer.oldest_waiting)}};
  return json::serialize(
      json::object{{"version", about.version},
                   {"started_at", moment(about.started)},
                   {"uptime_seconds", std::chrono::floor<std::chrono::seconds>(now - about.started).count()},
                   {"spool", std::move(spool)},
                   {"queue", json::object{{"open", queue.open},
                                          {"ready", queue.ready},
                                          {"in_flight", queue.in_flight},
                                          {"held", queue.held},
                                          {"connections", queue.connections}}},
                   {"tls", tls ? json::value(tls_object(*tls)) : json::value(nullptr)}});
}

std::string json_tls(const TlsStatus& tls) { return json::serialize(tls_object(tls)); }

std::string json_lockouts(const std::vector<intake::Lockout>& lockouts) {
  json::array data;
  for (const intake::Lockout& one : lockouts)
    data.push_back(json::object{{"kind", intake::text(one.kind)},
                                {"subject", valid_utf8(one.subject)},
                                {"until", format_rfc3339(one.until)}});
  return page(std::move(data), std::nullopt);
}

std::string json_keys(const std::vector<spool::ApiKey>& keys) {
  json::array data;
  for (const auto& key : keys) data.push_back(key_object(key));
  return page(std::move(data), std::nullopt);
}

std::string json_key(const intake::KnownKey& known, WallTime now) {
  json::object out = key_object(known.key);
  const std::uint64_t sent = known.use->sent(spool::day_of(now));
  out["messages_today"] = known.key.policy.daily > 0 ? json::value(sent) : json::value(nullptr);
  return json::serialize(out);
}

std::string json_created_key(const intake::KeyRing::Created& created) {
  json::object out = key_object(created.key);
  out["key"] = created.text.reveal();
  return json::serialize(out);
}

}  // namespace relay::api
