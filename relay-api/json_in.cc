#include "relay-api/json_in.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <unordered_set>
#include <utility>

#include "relay-api/addresses.h"
#include "relay-api/attachments.h"
#include "relay-api/fields.h"
#include "relay-api/json_parse.h"

namespace relay::api {
namespace json = boost::json;
namespace {

void read_people(Fields& fields, const ApiSettings& settings, MessageRequest& request) {
  std::vector<Fault>& faults = fields.faults();
  std::size_t before = faults.size();
  auto from = read_mailboxes(fields, "from", Count::one, 1);
  if (!from.empty())
    request.draft.from = std::move(from.front());
  else if (faults.size() == before)
    fields.fault("from", "required", "A message needs its from.");

  before = faults.size();
  request.draft.to = read_mailboxes(fields, "to", Count::many, settings.recipients_per_field);
  request.draft.cc = read_mailboxes(fields, "cc", Count::many, settings.recipients_per_field);
  const auto bcc = read_mailboxes(fields, "bcc", Count::many, settings.recipients_per_field);
  std::unordered_set<std::string_view> seen;
  for (const std::vector<mime::Mailbox>* field :
       {&std::as_const(request.draft.to), &std::as_const(request.draft.cc), &bcc})
    for (const mime::Mailbox& mailbox : *field)
      if (seen.insert(mailbox.address).second) request.envelope.recipients.push_back({mailbox.address});
  if (request.envelope.recipients.empty() && faults.size() == before)
    fields.fault("to", "required", "A message needs a recipient in to, cc or bcc.");
  request.draft.reply_to = read_mailboxes(fields, "reply_to", Count::many, settings.recipients_per_field);
}

void read_subject(Fields& fields, const ApiSettings& settings, mime::Draft& draft) {
  auto subject = fields.text("subject");
  if (!subject) return;
  if (has_controls(*subject))
    fields.fault("subject", "invalid_character",
                 "A subject may not hold line breaks or other control characters.");
  if (subject->size() > settings.subject_bytes)
    fields.fault("subject", "too_large",
                 fmt::format("The subject has {} bytes; at most {} are taken.", subject->size(),
                             settings.subject_bytes));
  draft.subject = std::move(*subject);
}

void read_texts(Fields& fields, mime::Draft& draft) {
  const std::size_t before = fields.faults().size();
  auto text = fields.text("text");
  auto body = fields.text("body");
  if (text && body) fields.fault("body", "conflict", "body is another name of text; give one of them.");
  draft.text = text ? std::move(text) : std::move(body);
  draft.html = fields.text("html");
  if (!draft.text && !draft.html && fields.faults().size() == before)
    fields.fault("text", "required", "A message needs text or html.");
}

// RFC 5322 3.6.8: ftext.
bool is_field_name(std::string_view name) {
  return !name.empty() && name.size() <= 76 &&
         std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7f && c != ':'; });
}

void read_headers(Fields& fields, const ApiSettings& settings, mime::Draft& draft) {
  const json::object* headers = fields.take_object("headers");
  if (headers == nullptr) return;
  if (headers->size() > settings.headers)
    return fields.fault(
        "headers", "too_many",
        fmt::format("There are {} headers; at most {} are taken.", headers->size(), settings.headers));
  for (const auto& member : *headers) {
    const std::string name(member.key().data(), member.key().size());
    const std::string pointer = fields.pointer("headers") + "/" + pointer_token(name);
    if (!is_field_name(name)) {
      fields.fault_at(pointer, "invalid_header",
                      "A header's name is printable ASCII without blanks and colons.");
    } else if (mime::reserved_field(name)) {
      fields.fault_at(pointer, "reserved_header",
                      "The relay sets this header itself, or it is a field here.");
    } else if (!member.value().is_string()) {
      fields.fault_at(pointer, "wrong_type",
                      fmt::format("This is {}; a header's value is a string.", kind_of(member.value())));
    } else {
      const json::string& value = member.value().get_string();
      if (has_controls({value.data(), value.size()}))
        fields.fault_at(pointer, "invalid_character",
                        "A header's value may not hold line breaks or other control characters.");
      else if (value.size() > settings.header_value_bytes)
        fields.fault_at(pointer, "too_large",
                        fmt::format("This value has {} bytes; at most {} are taken.", value.size(),
                                    settings.header_value_bytes));
      draft.headers.emplace_back(name, std::string(value.data(), value.size()));
    }
  }
}

void read_tags(Fields& fields, const ApiSettings& settings, std::vector<std::string>& tags) {
  const json::array* entries = fields.take_array("tags");
  if (entries == nullptr) return;
  if (entries->size() > settings.tags)
    return fields.fault(
        "tags", "too_many",
        fmt::format("There are {} tags; at most {} are taken.", entries->size(), settings.tags));
  for (std::size_t i = 0; i < entries->size(); ++i) {
    const json::value& entry = (*entries)[i];
    const std::string pointer = fmt::format("{}/{}", fields.pointer("tags"), i);
    if (!entry.is_string()) {
      fields.fault_at(pointer, "wrong_type", fmt::format("This is {}; a tag is a string.", kind_of(entry)));
      continue;
    }
    const std::string_view tag(entry.get_string().data(), entry.get_string().size());
    if (tag.empty() || has_controls(tag))
      fields.fault_at(pointer, "invalid_character", "A tag is not empty and has no control characters.");
    else if (tag.size() > settings.tag_bytes)
      fields.fault_at(
          pointer, "too_large",
          fmt::format("This tag has {} bytes; at most {} are taken.", tag.size(), settings.tag_bytes));
    tags.emplace_back(tag);
  }
}

// RFC 6531 is needed for the envelope and the header fields of people whose local part is not ASCII; names
// and texts are encoded instead, and domains stand in A-labels.
bool needs_smtputf8(const MessageRequest& request) {
  const auto any = [](const std::vector<mime::Mailbox>& list) {
    return std::any_of(list.begin(), list.end(), [](const auto& m) { return !is_ascii(m.address); });
  };
  const auto& to = request.envelope.recipients;
  return !is_ascii(request.envelope.reverse_path) || any(request.draft.reply_to) ||
         std::any_of(to.begin(), to.end(), [](const auto& r) { return !is_ascii(r.address); });
}

bool media_type_is_json(std::string_view value) {
  std::string lower(value);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  std::erase_if(lower, [](char c) { return c == ' ' || c == '\t' || c == '"'; });
  const std::size_t semicolon = lower.find(';');
  if (lower.substr(0, semicolon) != "application/json") return false;
  const std::size_t charset = lower.find(";charset=");
  if (charset == std::string::npos) return true;
  const std::string name = lower.substr(charset + 9, lower.find(';', charset + 1) - charset - 9);
  return name == "utf-8" || name == "utf8" || name == "us-ascii";
}

}  // namespace

std::expected<MessageRequest, Problem> read_message(std::string_view body, const ApiSettings& settings) {
  auto value = parse_json(body);
  if (!value) return std::unexpected(Problem{400, "invalid_json", value.error().message + ".", {}, {}});
  std::vector<Fault> faults;
  if (!value->is_object()) {
    faults.push_back({Fault::In::body, "", "wrong_type",
                      fmt::format("The body is {}; it must be an object.", kind_of(*value))});
    return std::unexpected(validation_problem(std::move(faults)));
  }
  MessageRequest request;
  Fields fields(value->get_object(), "", faults);
  read_people(fields, settings, request);
  read_subject(fields, settings, request.draft);
  read_texts(fields, request.draft);
  read_headers(fields, settings, request.draft);
  read_tags(fields, settings, request.tags);
  request.draft.attachments = read_attachments(fields, settings);
  fields.refuse_unknown();
  if (!faults.empty()) return std::unexpected(validation_problem(std::move(faults)));
  request.envelope.reverse_path = request.draft.from.address;
  request.envelope.smtputf8 = needs_smtputf8(request);
  return request;
}

std::optional<Problem> refuse_unless_json(const net::HttpRequest& request) {
  const auto refusal = [](std::string detail) {
    return Problem{415, "unsupported_media_type", std::move(detail), {}, {{"Accept", "application/json"}}};
  };
  const std::string* type = request.header("content-type");
  if (type == nullptr) return refusal("The request has no Content-Type; it must be application/json.");
  if (!media_type_is_json(*type)) return refusal("The Content-Type must be application/json, in UTF-8.");
  const std::string* coding = request.header("content-encoding");
  if (coding != nullptr && *coding != "identity") return refusal("Compressed requests are not taken.");
  return std::nullopt;
}

Problem compose_problem(const Error& error) {
  if (error.code != Errc::invalid || !error.message.starts_with('/')) return problem_of(error);
  const std::size_t blank = std::min(error.message.find(' '), error.message.size());
  std::string pointer = error.message.substr(0, blank);
  if (pointer.ends_with(':')) pointer.pop_back();
  std::string detail = error.message.substr(std::min(blank + 1, error.message.size()));
  if (detail.empty()) detail = "This cannot be part of a message";
  if (detail.front() >= 'a' && detail.front() <= 'z')
    detail.front() = static_cast<char>(detail.front() - 'a' + 'A');
  return validation_problem({{Fault::In::body, std::move(pointer), "invalid", std::move(detail) + "."}});
}

}  // namespace relay::api
