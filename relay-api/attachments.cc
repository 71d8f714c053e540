#include "relay-api/attachments.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "relay-api/addresses.h"
#include "relay-api/base64.h"

namespace relay::api {
namespace json = boost::json;
namespace {

constexpr std::size_t name_bytes = 255;  // of a file name, type or content id: what file systems hold

// RFC 2045 5.1: a token of a media type.
bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < 0x7f && std::string_view("()<>@,;:\\\"/[]?=").find(c) == std::string_view::npos;
  });
}

bool equal_letters(std::string_view text, std::string_view lower) {
  return std::ranges::equal(
      text, lower, {}, [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
}

// A media type that may be sent in base 64: multipart and message may not (RFC 2046 5.1, 5.2.1).
bool is_media_type(std::string_view text) {
  std::string_view whole = text.substr(0, text.find(';'));
  while (whole.ends_with(' ')) whole.remove_suffix(1);
  const std::size_t slash = std::min(whole.find('/'), whole.size());
  const std::string_view type = whole.substr(0, slash);
  return slash < whole.size() && is_token(type) && is_token(whole.substr(slash + 1)) && is_ascii(text) &&
         !has_controls(text) && text.size() <= name_bytes && !equal_letters(type, "multipart") &&
         !equal_letters(type, "message");
}

bool is_content_id(std::string_view text) {
  return !text.empty() && text.size() <= name_bytes && std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < 0x7f && std::string_view("<>()\"\\,;:").find(c) == std::string_view::npos;
  });
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
    if (name->empty() || name->size() > name_bytes || has_controls(*name))
      fields.fault("filename", "invalid_filename",
                   fmt::format("A file name has 1 to {} bytes and no control characters.", name_bytes));
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
                   "content_type is a media type as in image/png, but not multipart or message.");
    attachment.content_type = std::move(*type);
  }
  if (auto id = fields.text("content_id")) {
    if (!is_content_id(*id))
      fields.fault(
          "content_id", "invalid_content_id",
          "content_id is printable ASCII without blanks, brackets and quotes, as in logo@example.com.");
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
