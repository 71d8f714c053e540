#include "relay-api/ctl/archive.h"

#include <algorithm>
#include <boost/json.hpp>

#include "mta/base/utf8.h"
#include "relay-api/base64.h"
#include "relay-api/ctl/session.h"
#include "relay-api/key_policy.h"

namespace relay::ctl {
namespace json = boost::json;
namespace {

json::value text_value(std::string_view text) {
  if (valid_utf8(text)) return json::value(text);
  return json::object{{"base64", api::encode_base64(text)}};
}

json::value moment_value(WallTime at) {
  const std::string text = format_rfc3339(at);
  if (parse_rfc3339(text) == at) return json::value(text);
  return json::value(at.time_since_epoch().count());
}

json::array text_array(const std::vector<std::string>& texts) {
  json::array out;
  for (const auto& text : texts) out.push_back(text_value(text));
  return out;
}

// Null for what was not said.
json::value optional_text(std::string_view text) {
  return text.empty() ? json::value(nullptr) : text_value(text);
}

json::value ret_value(wire::DsnReturn ret) {
  if (ret == wire::DsnReturn::unsaid) return nullptr;
  return json::value(ret == wire::DsnReturn::full ? "full" : "headers");
}

json::array notify_array(std::uint8_t notify) {
  json::array out;
  for (std::size_t bit = 0; bit < notify_names.size(); ++bit)
    if (notify & 1u << bit) out.emplace_back(notify_names[bit]);
  return out;
}

json::array metadata_array(const std::vector<spool::Metadata>& metadata) {
  json::array out;
  for (const auto& [name, value] : metadata)
    out.push_back(json::object{{"name", text_value(name)}, {"value", text_value(value)}});
  return out;
}

json::object event_object(const spool::EventRecord& record) {
  const spool::Event& event = record.event;
  return {{"type", spool::text(event.type)},
          {"at", moment_value(event.at)},
          {"status", spool::text(record.status)},
          {"attempts", record.attempts},
          {"stage", text_value(event.stage)},
          {"host", text_value(event.host)},
          {"reply", json::object{{"code", event.reply.code},
                                 {"enhanced", text_value(event.reply.enhanced)},
                                 {"lines", text_array(event.reply.lines)}}},
          {"detail", text_value(event.detail)},
          {"tls", event.tls},
          {"in_doubt", event.in_doubt},
          {"duration_ms", event.duration_ms}};
}

json::object recipient_object(const wire::Recipient& envelope, const spool::Restore::Recipient& recipient) {
  json::array events;
  for (const auto& event : recipient.events) events.push_back(event_object(event));
  return {{"address", text_value(envelope.address)},
          {"notify", notify_array(envelope.notify)},
          {"original", optional_text(envelope.original)},
          {"status", spool::text(recipient.status)},
          {"attempts", recipient.attempts},
          {"next_attempt_at",
           spool::terminal(recipient.status) ? json::value(nullptr) : moment_value(recipient.due)},
          {"events", std::move(events)}};
}

}  // namespace

json::object message_object(const spool::Restore& restore) {
  const spool::Message& message = *restore.message;
  json::array recipients;
  for (std::size_t i = 0; i < restore.recipients.size(); ++i)
    recipients.push_back(recipient_object(message.envelope.recipients[i], restore.recipients[i]));
  return {{"archive", archive_version},
          {"id", message.id.text()},
          {"account", text_value(message.account.value)},
          {"key", text_value(message.key.value)},
          {"origin", message.origin == spool::Origin::smtp ? "smtp" : "http"},
          {"created_at", moment_value(message.accepted)},
          {"reverse_path", text_value(message.envelope.reverse_path)},
          {"smtputf8", message.envelope.smtputf8},
          {"eight_bit", message.envelope.eight_bit},
          {"dsn_return", ret_value(message.envelope.ret)},
          {"envelope_id", optional_text(message.envelope.id)},
          {"from", text_value(message.from)},
          {"subject", text_value(message.subject)},
          {"message_id", text_value(message.rfc_message_id)},
          {"tags", text_array(message.tags)},
          {"metadata", metadata_array(message.metadata)},
          {"stream", spool::text(message.stream)},
          {"sandbox", message.sandbox},
          {"idempotency_key", optional_text(message.idempotency_key)},
          {"scheduled_at", message.scheduled ? moment_value(*message.scheduled) : json::value(nullptr)},
          {"size", message.size},
          {"recipients", std::move(recipients)}};
}

// Without a policy there is no such member, and programs that know none read the key.
json::object key_object(const spool::ApiKey& key) {
  const std::string_view hash(reinterpret_cast<const char*>(key.hash.data()), key.hash.size());
  json::object members{{"id", text_value(key.id.value)},
                       {"account", text_value(key.account.value)},
                       {"label", text_value(key.label)},
                       {"hash", api::encode_base64(hash)},
                       {"created_at", moment_value(key.created)},
                       {"revoked_at", key.revoked ? moment_value(*key.revoked) : json::value(nullptr)}};
  if (key.policy != spool::KeyPolicy()) members["policy"] = api::policy_object(key.policy);
  return {{"archive", archive_version}, {"api_key", std::move(members)}};
}

}  // namespace relay::ctl
