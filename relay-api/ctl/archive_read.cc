#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <limits>
#include <set>

#include "relay-api/base64.h"
#include "relay-api/ctl/archive.h"
#include "relay-api/ctl/session.h"
#include "relay-api/json_parse.h"
#include "relay-api/key_policy.h"
#include "spool/restore.h"

namespace relay::ctl {
namespace json = boost::json;
namespace {

// The members of one object, each asked for by name. The first fault is kept; after it everything reads as
// empty.
class Fields {
 public:
  Fields(const json::value& value, std::string where, std::string& fault)
      : object_(value.if_object()), where_(std::move(where)), fault_(fault) {
    if (object_ == nullptr) fail({}, "it is not an object");
  }

  bool has(std::string_view name) const {
    return object_ != nullptr && object_->contains({name.data(), name.size()});
  }

  const json::value* get(std::string_view name) {
    if (object_ == nullptr || !fault_.empty()) return nullptr;
    asked_.emplace(name);
    const json::value* value = object_->if_contains({name.data(), name.size()});
    if (value == nullptr) fail(name, "it is missing");
    return value;
  }

  std::string text(std::string_view name) {
    const json::value* value = get(name);
    return value != nullptr ? text_of_value(*value, name) : std::string();
  }

  // Empty if it is null.
  std::string optional_text(std::string_view name) {
    const json::value* value = get(name);
    if (value == nullptr || value->is_null()) return {};
    return text_of_value(*value, name);
  }

  std::vector<std::string> texts(std::string_view name) {
    std::vector<std::string> all;
    for (const json::value& value : array(name)) all.push_back(text_of_value(value, name));
    return all;
  }

  bool flag(std::string_view name) {
    const json::value* value = get(name);
    if (value != nullptr && !value->is_bool()) fail(name, "it is neither true nor false");
    return value != nullptr && value->is_bool() && value->get_bool();
  }

  template <class Number>
  Number number(std::string_view name) {
    const json::value* value = get(name);
    if (value == nullptr) return 0;
    json::error_code ec;
    const auto number = value->is_double() ? Number{} : value->to_number<Number>(ec);
    if (value->is_double() || ec) fail(name, "it is not a number that fits");
    return number;
  }

  WallTime moment(std::string_view name) {
    const json::value* value = get(name);
    return value != nullptr ? moment_of_value(*value, name) : WallTime();
  }

  std::optional<WallTime> optional_moment(std::string_view name) {
    const json::value* value = get(name);
    if (value == nullptr || value->is_null()) return std::nullopt;
    return moment_of_value(*value, name);
  }

  // One of an enum's values, by what text() says.
  template <class Enum>
  Enum one_of(std::string_view name, Enum first, Enum last) {
    const std::string given = text(name);
    std::string all;
    for (int i = static_cast<int>(first); i <= static_cast<int>(last); ++i) {
      const std::string_view known = spool::text(static_cast<Enum>(i));
      if (known == given) return static_cast<Enum>(i);
      all += fmt::format("{}{}", all.empty() ? "" : ", ", known);
    }
    fail(name, fmt::format("it is not one of {}", all));
    return first;
  }

  const json::array& array(std::string_view name) {
    static const json::array none;
    const json::value* value = get(name);
    if (value != nullptr && !value->is_array()) fail(name, "it is not an array");
    return value != nullptr && value->is_array() ? value->get_array() : none;
  }

  void finish() {
    if (object_ == nullptr || !fault_.empty()) return;
    for (const auto& member : *object_)
      if (!asked_.contains(std::string(member.key().data(), member.key().size())))
        return fail({member.key().data(), member.key().size()}, "nobody knows this member");
  }

  void fail(std::string_view name, std::string_view what) {
    if (!fault_.empty()) return;
    std::string place = where_;
    if (!name.empty()) place += fmt::format("{}{}", place.empty() ? "" : ".", name);
    fault_ = place.empty() ? std::string(what) : fmt::format("{}: {}", place, what);
  }

  std::string place(std::string_view name, std::size_t index) const {
    return fmt::format("{}{}{}[{}]", where_, where_.empty() ? "" : ".", name, index);
  }

 private:
  std::string text_of_value(const json::value& value, std::string_view name) {
    if (const auto* text = value.if_string()) return {text->data(), text->size()};
    const json::object* object = value.if_object();
    const json::value* coded =
        object != nullptr && object->size() == 1 ? object->if_contains("base64") : nullptr;
    if (coded != nullptr && coded->is_string())
      if (auto bytes = api::decode_base64({coded->get_string().data(), coded->get_string().size()}))
        return std::move(*bytes);
    fail(name, "it is neither text nor base 64");
    return {};
  }

  WallTime moment_of_value(const json::value& value, std::string_view name) {
    if (value.is_int64()) return WallTime(std::chrono::milliseconds(value.get_int64()));
    const auto* text = value.if_string();
    const auto moment = text != nullptr ? parse_rfc3339({text->data(), text->size()}) : std::nullopt;
    if (!moment) fail(name, "it is not a time as in 2026-11-21T09:18:00.000Z");
    return moment.value_or(WallTime());
  }

  const json::object* object_;
  std::string where_;
  std::string& fault_;
  std::set<std::string> asked_;
};

std::uint8_t read_notify(Fields& fields) {
  std::uint8_t notify = 0;
  for (const std::string& name : fields.texts("notify")) {
    const auto known = std::find(notify_names.begin(), notify_names.end(), name);
    if (known == notify_names.end())
      fields.fail("notify", "it has what is not one of never, success, failure, delay");
    else
      notify |= static_cast<std::uint8_t>(1u << (known - notify_names.begin()));
  }
  return notify;
}

wire::DsnReturn read_return(Fields& fields) {
  const std::string text = fields.optional_text("dsn_return");
  if (text == "full") return wire::DsnReturn::full;
  if (text == "headers") return wire::DsnReturn::headers;
  if (!text.empty()) fields.fail("dsn_return", "it is neither full nor headers");
  return wire::DsnReturn::unsaid;
}

// What version 1 does not have.
void read_attributes(Fields& fields, spool::Message& message, std::string& fault) {
  message.envelope.ret = read_return(fields);
  message.envelope.id = fields.optional_text("envelope_id");
  const json::array& metadata = fields.array("metadata");
  for (std::size_t i = 0; i < metadata.size(); ++i) {
    Fields one(metadata[i], fields.place("metadata", i), fault);
    spool::Metadata& entry = message.metadata.emplace_back();
    entry.name = one.text("name");
    entry.value = one.text("value");
    one.finish();
  }
  message.stream = fields.one_of("stream", spool::Stream::transactional, spool::Stream::bulk);
  message.sandbox = fields.flag("sandbox");
  message.idempotency_key = fields.optional_text("idempotency_key");
  message.scheduled = fields.optional_moment("scheduled_at");
}

spool::EventRecord read_event(const json::value& value, std::string where, std::uint32_t recipient,
                              std::string& fault) {
  Fields fields(value, where, fault);
  spool::EventRecord record;
  spool::Event& event = record.event;
  event.recipient = recipient;
  event.type = fields.one_of("type", spool::EventType::queued, spool::EventType::retried);
  event.at = fields.moment("at");
  record.status = fields.one_of("status", spool::Status::queued, spool::Status::cancelled);
  record.attempts = fields.number<std::uint32_t>("attempts");
  event.stage = fields.text("stage");
  event.host = fields.text("host");
  if (const json::value* reply = fields.get("reply")) {
    Fields inner(*reply, where + ".reply", fault);
    event.reply.code = inner.number<int>("code");
    event.reply.enhanced = inner.text("enhanced");
    event.reply.lines = inner.texts("lines");
    inner.finish();
  }
  event.detail = fields.text("detail");
  event.tls = fields.flag("tls");
  event.in_doubt = fields.flag("in_doubt");
  event.duration_ms = fields.number<std::uint32_t>("duration_ms");
  fields.finish();
  return record;
}

spool::Restore::Recipient read_recipient(const json::value& value, std::string where, std::uint32_t index,
                                         int version, wire::Recipient& envelope, std::string& fault) {
  Fields fields(value, std::move(where), fault);
  spool::Restore::Recipient recipient;
  envelope.address = fields.text("address");
  if (version > 1) {
    envelope.notify = read_notify(fields);
    envelope.original = fields.optional_text("original");
  }
  recipient.status = fields.one_of("status", spool::Status::queued, spool::Status::cancelled);
  recipient.attempts = fields.number<std::uint32_t>("attempts");
  const auto due = fields.optional_moment("next_attempt_at");
  if (!due && !spool::terminal(recipient.status))
    fields.fail("next_attempt_at", "an open recipient needs it");
  recipient.due = due.value_or(WallTime());
  const json::array& events = fields.array("events");
  for (std::size_t i = 0; i < events.size(); ++i)
    recipient.events.push_back(read_event(events[i], fields.place("events", i), index, fault));
  fields.finish();
  return recipient;
}

Result<ArchiveEntry> read_message(Fields& fields, int version, std::optional<BodyPtr> content,
                                  std::string& fault) {
  spool::Restore restore;
  spool::Message message;
  const std::string id = fields.text("id");
  if (const auto parsed = MessageId::parse(id))
    message.id = *parsed;
  else
    fields.fail("id", "it is not the id of a message");
  message.account.value = fields.text("account");
  message.key.value = fields.text("key");
  const std::string origin = fields.text("origin");
  message.origin = origin == "smtp" ? spool::Origin::smtp : spool::Origin::http;
  if (origin != "smtp" && origin != "http") fields.fail("origin", "it is neither smtp nor http");
  message.accepted = fields.moment("created_at");
  message.envelope.reverse_path = fields.text("reverse_path");
  message.envelope.smtputf8 = fields.flag("smtputf8");
  message.envelope.eight_bit = fields.flag("eight_bit");
  message.from = fields.text("from");
  message.subject = fields.text("subject");
  message.rfc_message_id = fields.text("message_id");
  message.tags = fields.texts("tags");
  if (version > 1) read_attributes(fields, message, fault);
  message.size = fields.number<std::uint64_t>("size");
  const json::array& recipients = fields.array("recipients");
  for (std::size_t i = 0; i < recipients.size(); ++i) {
    wire::Recipient& envelope = message.envelope.recipients.emplace_back();
    restore.recipients.push_back(read_recipient(recipients[i], fields.place("recipients", i),
                                                static_cast<std::uint32_t>(i), version, envelope, fault));
  }
  if (content) {
    message.body = std::move(*content);
  } else if (const json::value* value = fields.get("content"); value != nullptr && !value->is_null()) {
    const auto* text = value->if_string();
    auto bytes = text != nullptr ? api::decode_base64({text->data(), text->size()}) : std::nullopt;
    if (bytes)
      message.body = std::make_shared<const Body>(std::move(*bytes));
    else
      fields.fail("content", "it is not base 64");
  }
  fields.finish();
  if (!fault.empty()) return fail(Errc::invalid, fault);
  restore.message = std::make_shared<const spool::Message>(std::move(message));
  if (auto legal = spool::check_legal(restore); !legal) return std::unexpected(legal.error());
  return restore;
}

void read_policy(Fields& fields, spool::KeyPolicy& policy) {
  const json::value* value = fields.get("policy");
  if (value == nullptr) return;
  if (!value->is_object()) return fields.fail("policy", "it is not an object");
  std::vector<api::Fault> faults;
  api::Fields members(value->get_object(), "", faults);
  api::read_policy(members, policy);
  if (!faults.empty()) fields.fail("policy" + faults.front().where, faults.front().detail);
}

Result<ArchiveEntry> read_key(const json::value& value, std::string& fault) {
  Fields fields(value, "api_key", fault);
  spool::ApiKey key;
  key.id.value = fields.text("id");
  if (key.id.value.empty()) fields.fail("id", "it is empty");
  key.account.value = fields.text("account");
  key.label = fields.text("label");
  const auto hash = api::decode_base64(fields.text("hash"));
  if (hash && hash->size() == key.hash.size())
    std::copy(hash->begin(), hash->end(), key.hash.begin());
  else
    fields.fail("hash", "it is not 32 bytes in base 64");
  key.created = fields.moment("created_at");
  key.revoked = fields.optional_moment("revoked_at");
  if (fields.has("policy")) read_policy(fields, key.policy);
  fields.finish();
  if (!fault.empty()) return fail(Errc::invalid, fault);
  return key;
}

Result<ArchiveEntry> read(std::string_view text, std::optional<BodyPtr> content) {
  const auto value = api::parse_json(text);
  if (!value) return fail(Errc::invalid, "it is not JSON, or not all of it");
  std::string fault;
  Fields fields(*value, "", fault);
  const int version = fields.number<int>("archive");
  if (!fault.empty()) return fail(Errc::invalid, fault);
  if (version < 1 || version > archive_version)
    return fail(Errc::invalid,
                fmt::format("archive: it is of version {}, and this program knows versions up to {}", version,
                            archive_version));
  if (!value->get_object().contains("api_key"))
    return read_message(fields, version, std::move(content), fault);
  const json::value* key = fields.get("api_key");
  fields.finish();
  if (!fault.empty()) return fail(Errc::invalid, fault);
  return read_key(*key, fault);
}

}  // namespace

Result<ArchiveEntry> read_entry(std::string_view text) { return read(text, std::nullopt); }
Result<ArchiveEntry> read_entry(std::string_view text, BodyPtr content) {
  return read(text, std::move(content));
}

std::string id_in(std::string_view text) {
  constexpr std::string_view member = "\"id\"";
  constexpr std::size_t length = 30;  // msg_ and 26 characters
  const auto skip_blanks = [&text] {
    text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  };
  const auto take = [&text](char c) { return text.starts_with(c) && (text.remove_prefix(1), true); };
  while (!text.empty()) {
    const std::size_t at = text.find(member);
    if (at == std::string_view::npos) break;
    text.remove_prefix(at + member.size());
    skip_blanks();
    if (!take(':')) continue;
    skip_blanks();
    if (!take('"')) continue;
    const std::string_view value = text.substr(0, length);
    if (MessageId::parse(value)) return std::string(value);
  }
  return {};
}

}  // namespace relay::ctl
