#include "relay-api/attachments.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "relay-api/addresses.h"
#include "relay-api/base64.h"

namespace relay::api {
namespace json = boost::json;
namespace {

// RFC 2045 5.1: a token of a media type.
bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < 0x7f && std::string_view("()<>@,;:\\\"/[]?=").find(c) == std::string_view::npos;
  });
}

bool is_media_type(std::string_view text) {
  std::string_view type = text.substr(0, text.find(';'));
  while (type.ends_with(' ')) type.remove_suffix(1);
  const std::size_t slash = type.find('/');
  return slash != std::string_view::npos && is_token(type.substr(0, slash)) &&
         is_token(type.substr(slash + 1)) && is_ascii(text) && !has_controls(text);
}

bool is_content_id(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char c) { return c > ' ' && c < 0x7f && c != '<' && c != '>'; });
}

void read_content(Fields& fields, mime::Attachment& attachment) {
  const json::string* content = fields.take_string("content");
  if (content == nullptr) return;
  auto decoded = decode_base64({content->data(), content->size()});
  if (decoded)
    attachment.content = std::move(*decoded);
  else
    fields.fault("content", "invalid_base64", "content is not base 64 (RFC 4648 section 4).");
}

mime::Attachment read_one(const json::object& object, const std::string& pointer,
                          std::vector<Fault>& faults) {
  Fields fields(object, pointer, faults);
  mime::Attachment attachment;
  const json::value* filename = object.if_contains("filename");
  if (auto name = fields.text("filename")) {
    if (name->empty() || has_controls(*name))
      fields.fault("filename", "invalid_character",
                   "A file name is not empty and has no control characters.");
    attachment.filename = std::move(*name);
  } else if (filename == nullptr || filename->is_null()) {
    fields.fault("filename", "required", "An attachment needs its filename.");
  }
  const json::value* content = object.if_contains("content");
  if (content == nullptr || content->is_null())
    fields.fault("content", "required", "An attachment needs its content.");
  read_content(fields, attachment);
  if (auto type = fields.text("content_type")) {
    if (!is_media_type(*type))
      fields.fault("content_type", "invalid_media_type",
                   "content_type is not a media type, as in image/png.");
    attachment.content_type = std::move(*type);
  }
  if (auto id = fields.text("content_id")) {
    if (!is_content_id(*id))
      fields.fault(
          "content_id", "invalid_character",
          "content_id is printable ASCII without blanks and angle brackets, as in logo@example.com.");
    attachment.content_id = std::move(*id);
  }
  fields.refuse_unknown();
  return attachment;
}

}  // namespace

std::vector<mime::Attachment> read_attachments(Fields& fields, const ApiSettings& settings) {
  std::vector<mime::Attachment> all;
  const json::array* entries = fields.take_array("attachments");
  if (entries == nullptr) return all;
  if (entries->size() > settings.attachments) {
    fields.fault("attachments", "too_many",
                 fmt::format("There are {} attachments; at most {} are taken.", entries->size(),
                             settings.attachments));
    return all;
  }
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < entries->size(); ++i) {
    const std::string pointer = fmt::format("{}/{}", fields.pointer("attachments"), i);
    const json::value& entry = (*entries)[i];
    if (!entry.is_object()) {
      fields.fault_at(pointer, "wrong_type",
                      fmt::format("This is {}; an attachment is an object.", kind_of(entry)));
      continue;
    }
    all.push_back(read_one(entry.get_object(), pointer, fields.faults()));
    bytes += all.back().content.size();
  }
  if (bytes > settings.attachment_bytes)
    fields.fault("attachments", "too_large",
                 fmt::format("The attachments have {} bytes together, decoded; at most {} are taken.", bytes,
                             settings.attachment_bytes));
  return all;
}

}  // namespace relay::api
