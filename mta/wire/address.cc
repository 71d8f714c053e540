#include "mta/wire/address.h"

#include <arpa/inet.h>
#include <idn2.h>

#include <algorithm>
#include <memory>

#include "mta/wire/ascii.h"

namespace relay::wire {
namespace {

// RFC 5322 3.2.3; RFC 6531 3.3 adds UTF-8
bool atext(char c, bool utf8) {
  return is_alphanumeric(c) || std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos ||
         (utf8 && is_eight_bit(c));
}

bool dot_string(std::string_view local, bool utf8) {
  bool atom = false;
  for (char c : local) {
    if (c == '.' ? !atom : !atext(c, utf8)) return false;
    atom = c != '.';
  }
  return atom;
}

// The length of a quoted-string at the start of text, quotes included, or 0 (RFC 5321 4.1.2: no control
// characters).
std::size_t quoted_length(std::string_view text, bool utf8) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    char c = text[i];
    if (c == '"') return i + 1;
    if (c == '\\') {
      ++i;
      if (i == text.size() || text[i] < ' ' || text[i] > '~') return 0;
    } else if (is_eight_bit(c) ? !utf8 : (c < ' ' || c > '~')) {
      return 0;
    }
  }
  return 0;
}

// Quotes are dropped where the content is a dot-string, so that equal mailboxes are equal text.
std::string canonical_local(std::string_view quoted, bool utf8) {
  std::string plain;
  for (std::size_t i = 1; i + 1 < quoted.size(); ++i) {
    if (quoted[i] == '\\') ++i;
    plain += quoted[i];
  }
  return dot_string(plain, utf8) ? plain : std::string(quoted);
}

bool letters_digits_hyphens(std::string_view domain) {
  std::size_t label = 0;
  char before = '.';
  for (char c : domain) {
    if (c == '.') {
      if (label == 0 || before == '-') return false;
      label = 0;
    } else {
      // An underscore is in no host name, but in domains that send real mail.
      if (!is_alphanumeric(c) && c != '_' && (c != '-' || label == 0)) return false;
      if (++label > 63) return false;
    }
    before = c;
  }
  return label > 0 && before != '-';
}

std::optional<std::string> a_labels(const std::string& domain) {
  char* made = nullptr;
  if (idn2_to_ascii_8z(domain.c_str(), &made, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
    return std::nullopt;
  std::unique_ptr<char, decltype(&idn2_free)> owned(made, idn2_free);
  return std::string(owned.get());
}

std::optional<std::string> address_literal(std::string_view inside) {
  constexpr std::string_view tag = "ipv6:";
  bool six = inside.size() > tag.size() && starts_ignoring_case(inside, tag);
  std::string address(six ? inside.substr(tag.size()) : inside);
  unsigned char bytes[16];
  char text[INET6_ADDRSTRLEN];
  int family = six ? AF_INET6 : AF_INET;
  if (address.find('\0') != std::string::npos || inet_pton(family, address.c_str(), bytes) != 1)
    return std::nullopt;
  if (!inet_ntop(family, bytes, text, sizeof text)) return std::nullopt;
  return (six ? "[IPv6:" : "[") + std::string(text) + "]";
}

}  // namespace

std::optional<std::string> parse_domain(std::string_view text) {
  if (text.empty() || text.size() > max_domain) return std::nullopt;
  if (text.front() == '[') {
    if (text.back() != ']') return std::nullopt;
    return address_literal(text.substr(1, text.size() - 2));
  }
  if (has_eight_bit(text)) {
    if (!valid_utf8(text) || text.find('\0') != std::string_view::npos) return std::nullopt;
    auto ascii = a_labels(std::string(text));  // also checks what a label may hold
    if (!ascii || !letters_digits_hyphens(*ascii) || ascii->size() > max_domain) return std::nullopt;
    return ascii;
  }
  if (!letters_digits_hyphens(text)) return std::nullopt;
  return lower_case(text);
}

std::optional<Address> parse_address(std::string_view text, const AddressOptions& options) {
  if (text.empty() || text.size() > max_path) return std::nullopt;
  if (has_eight_bit(text) && !valid_utf8(text)) return std::nullopt;
  Address address;
  std::size_t end = 0;
  if (text.front() == '"') {
    end = quoted_length(text, options.utf8);
    if (end == 0) return std::nullopt;
    address.text = canonical_local(text.substr(0, end), options.utf8);
  } else {
    end = std::min(text.find('@'), text.size());
    if (!dot_string(text.substr(0, end), options.utf8)) return std::nullopt;
    address.text = text.substr(0, end);
  }
  if (end > max_local_part) return std::nullopt;
  if (end == text.size()) {
    bool postmaster = equal_ignoring_case(address.text, "postmaster");
    return options.bare_postmaster && postmaster ? std::optional(address) : std::nullopt;
  }
  if (text[end] != '@') return std::nullopt;
  auto domain = parse_domain(text.substr(end + 1));
  if (!domain) return std::nullopt;
  address.text += '@' + *domain;
  if (address.text.size() > max_path) return std::nullopt;  // A-labels are longer than what they stand for
  address.needs_utf8 = has_eight_bit(address.text);
  return address;
}

namespace {

// Where the mailbox of a path ends: the '>' outside quotes.
std::size_t closing_bracket(std::string_view text) {
  bool quoted = false;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (quoted && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (text[i] == '>' && !quoted) {
      return i;
    }
  }
  return std::string_view::npos;
}

// Removes "@a,@b:" from the front; false if it is malformed.
bool skip_source_route(std::string_view& inside) {
  if (!inside.starts_with('@')) return true;
  std::size_t colon = inside.find(':');
  if (colon == std::string_view::npos) return false;
  std::string_view route = inside.substr(0, colon);
  inside.remove_prefix(colon + 1);
  while (!route.empty()) {
    std::size_t comma = std::min(route.find(','), route.size());
    if (route.front() != '@' || !parse_domain(route.substr(1, comma - 1))) return false;
    route.remove_prefix(comma);
    if (!route.empty()) {
      route.remove_prefix(1);
      if (route.empty()) return false;
    }
  }
  return true;
}

}  // namespace

std::optional<Path> parse_path(std::string_view text, bool null_allowed, const AddressOptions& options) {
  if (!text.starts_with('<')) return std::nullopt;
  std::size_t end = closing_bracket(text);
  if (end == std::string_view::npos) return std::nullopt;
  std::string_view inside = text.substr(1, end - 1), rest = text.substr(end + 1);
  if (inside.empty()) {
    return null_allowed ? std::optional(Path{{}, rest}) : std::nullopt;
  }
  if (!skip_source_route(inside)) return std::nullopt;
  auto address = parse_address(inside, options);
  if (!address) return std::nullopt;
  return Path{std::move(*address), rest};
}

}  // namespace relay::wire
