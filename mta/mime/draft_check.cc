#include "mta/mime/draft_check.h"

#include <algorithm>
#include <array>

#include "mta/mime/entity.h"
#include "mta/mime/field.h"
#include "mta/mime/utf8.h"
#include "mta/wire/address.h"

namespace relay::mime {
namespace {

std::unexpected<Error> refuse(const std::string& pointer, const std::string& why) {
  return fail(Errc::invalid, pointer + ": " + why);
}

// RFC 6901 3, and what cannot stand in a message of one line left out.
std::string escaped(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c == '~')
      out += "~0";
    else if (c == '/')
      out += "~1";
    else
      out += control(c) || c == ' ' || static_cast<unsigned char>(c) > 126 ? '?' : c;
  }
  return out;
}

// Nothing that could end a line: the one guard against a field that adds another field.
Result<void> check_line(const std::string& pointer, std::string_view value) {
  if (value.find_first_of(std::string_view("\r\n\0", 3)) != value.npos)
    return refuse(pointer, "a line break or NUL is not allowed here");
  if (std::ranges::any_of(value, [](char c) { return control(c) && c != '\t'; }))
    return refuse(pointer, "control characters are not allowed here");
  if (!wire::valid_utf8(value)) return refuse(pointer, "is not valid UTF-8");
  return {};
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (auto& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

// Who a header belongs to if not to the caller; empty if it is the caller's.
std::string_view owner_of(std::string_view name) {
  static constexpr std::array<std::string_view, 7> fields{"from",    "to",       "cc",    "bcc",
                                                          "subject", "reply-to", "sender"};
  static constexpr std::array<std::string_view, 9> relays{"received",
                                                          "return-path",
                                                          "date",
                                                          "message-id",
                                                          "mime-version",
                                                          "delivered-to",
                                                          "authentication-results",
                                                          "dkim-signature",
                                                          "domainkey-signature"};
  const auto key = lower(name);
  if (std::ranges::find(fields, key) != fields.end())
    return key == "sender" ? "is not supported; use /from" : "has a field of its own";
  if (std::ranges::find(relays, key) != relays.end() || key.starts_with("content-") ||
      key.starts_with("arc-") || key.starts_with("resent-") || key.starts_with("x-relay-"))
    return "is set by the relay";
  return {};
}

Result<void> check_address(const std::string& pointer, const std::string& address) {
  if (!wire::parse_address(address, {.utf8 = true})) return refuse(pointer, "is not a valid address");
  return {};
}

Result<void> check_mailboxes(const std::string& pointer, const std::vector<Mailbox>& mailboxes) {
  for (std::size_t i = 0; i < mailboxes.size(); ++i) {
    const auto at = pointer + "/" + std::to_string(i);
    if (auto line = check_line(at, mailboxes[i].name); !line) return line;
    if (auto address = check_address(at, mailboxes[i].address); !address) return address;
  }
  return {};
}

Result<void> check_headers(const Draft& draft) {
  for (const auto& [name, value] : draft.headers) {
    const auto at = "/headers/" + escaped(name);
    // RFC 5322 2.2
    if (name.empty() || std::ranges::any_of(name, [](char c) { return c < 33 || c > 126 || c == ':'; }))
      return refuse(at, "is not a header name");
    if (const auto owner = owner_of(name); !owner.empty())
      return refuse(at, "the header " + name + " " + std::string(owner));
    if (auto line = check_line(at, value); !line) return line;
    if (longest_line(formed_field(name, value)) > max_line)
      return refuse(at, "has a word too long for a header line (998 bytes)");
  }
  return {};
}

Result<void> check_attachment(const std::string& at, const Attachment& a) {
  if (auto line = check_line(at + "/filename", a.filename); !line) return line;
  if (a.filename.size() > 255) return refuse(at + "/filename", "is longer than 255 bytes");
  const auto type = at + "/content_type";
  if (auto line = check_line(type, a.content_type); !line) return line;
  if (a.content_type.size() > 255) return refuse(type, "is longer than 255 bytes");
  if (!valid_content_type(a.content_type)) return refuse(type, "is not of the form type/subtype");
  // RFC 2046 5.1, 5.2.1: these may not be in base64, in which attachments are sent.
  const auto key = lower(a.content_type);
  if (key.starts_with("multipart/") || key.starts_with("message/"))
    return refuse(type, "multipart and message types cannot be attached; application/octet-stream can");
  const auto id = at + "/content_id";
  if (a.content_id.size() > 255) return refuse(id, "is longer than 255 bytes");
  if (std::ranges::any_of(a.content_id, [](char c) {
        return c < 33 || c > 126 || std::string_view("<>()\"\\,;:").contains(c);
      }))
    return refuse(id, "may hold printable ASCII without blanks, brackets and quotes only");
  return {};
}

}  // namespace

bool reserved_field(std::string_view name) { return !owner_of(name).empty(); }

Result<void> check_draft(const Draft& draft) {
  if (auto line = check_line("/from", draft.from.name); !line) return line;
  if (auto address = check_address("/from", draft.from.address); !address) return address;
  if (auto ok = check_mailboxes("/to", draft.to); !ok) return ok;
  if (auto ok = check_mailboxes("/cc", draft.cc); !ok) return ok;
  if (auto ok = check_mailboxes("/reply_to", draft.reply_to); !ok) return ok;
  if (auto line = check_line("/subject", draft.subject); !line) return line;
  if (auto ok = check_headers(draft); !ok) return ok;
  if (draft.text && !wire::valid_utf8(*draft.text)) return refuse("/text", "is not valid UTF-8");
  if (draft.html && !wire::valid_utf8(*draft.html)) return refuse("/html", "is not valid UTF-8");
  for (std::size_t i = 0; i < draft.attachments.size(); ++i)
    if (auto ok = check_attachment("/attachments/" + std::to_string(i), draft.attachments[i]); !ok) return ok;
  return {};
}

}  // namespace relay::mime
