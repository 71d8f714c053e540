#include "mta/wire/dsn_parameters.h"

#include <fmt/format.h>

#include <algorithm>

#include "mta/base/utf8.h"
#include "mta/wire/ascii.h"
#include "mta/wire/xtext.h"

namespace relay::wire {
namespace {

char32_t character(std::string_view bytes) {
  const auto first = static_cast<unsigned char>(bytes.front());
  if (bytes.size() == 1) return first;
  char32_t value = first & (0x7fu >> bytes.size());
  for (const char c : bytes.substr(1)) value = value << 6 | (static_cast<unsigned char>(c) & 0x3f);
  return value;
}

// utf-8-addr-xtext of RFC 6533 3, which goes with and without SMTPUTF8. A backslash begins what is in this
// form already.
std::string encode_utf8_address(std::string_view address) {
  std::string out;
  while (!address.empty()) {
    const std::size_t length = std::max<std::size_t>(utf8_length(address), 1);
    const char32_t c = character(address.substr(0, length));
    if (c > ' ' && c < 0x7f && c != '+' && c != '=')
      out += static_cast<char>(c);
    else
      out += fmt::format("\\x{{{:X}}}", static_cast<std::uint32_t>(c));
    address.remove_prefix(length);
  }
  return out;
}

std::string notify_list(std::uint8_t notify) {
  if ((notify & notify_never) != 0) return "NEVER";
  std::string list;
  const auto add = [&](Notify bit, std::string_view name) {
    if ((notify & bit) == 0) return;
    if (!list.empty()) list += ',';
    list += name;
  };
  add(notify_success, "SUCCESS");
  add(notify_failure, "FAILURE");
  add(notify_delay, "DELAY");
  return list;
}

}  // namespace

std::string dsn_of_mail(DsnReturn ret, std::string_view id) {
  std::string out;
  if (ret == DsnReturn::full) out += " RET=FULL";
  if (ret == DsnReturn::headers) out += " RET=HDRS";
  if (!id.empty()) out += " ENVID=" + encode_xtext(id);
  return out;
}

std::string dsn_of_rcpt(const Recipient& recipient) {
  std::string out;
  if (recipient.notify != 0) out += " NOTIFY=" + notify_list(recipient.notify);
  const std::string_view original = recipient.original;
  const std::size_t semicolon = original.find(';');
  if (semicolon == std::string_view::npos || semicolon == 0) return out;
  const std::string_view type = original.substr(0, semicolon), address = original.substr(semicolon + 1);
  // As intake lets it in; this is the last door.
  const auto sound = [](char c) { return is_alphanumeric(c) || c == '-'; };
  if (address.empty() || !std::ranges::all_of(type, sound)) return out;
  out += fmt::format(" ORCPT={};{}", type,
                     type == "utf-8" ? encode_utf8_address(address) : encode_xtext(address));
  return out;
}

}  // namespace relay::wire
