#include "mta/wire/command.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "mta/wire/address.h"
#include "mta/wire/ascii.h"
#include "mta/wire/parameters.h"

namespace relay::wire {
namespace {

std::string_view trim_end(std::string_view text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// "FROM:<path> parameters": the part after `tag`, or nullopt.
std::optional<std::string_view> after_tag(std::string_view rest, std::string_view tag) {
  if (!starts_ignoring_case(rest, tag)) return std::nullopt;
  rest.remove_prefix(tag.size());
  std::size_t path = rest.find_first_not_of(' ');
  return path == std::string_view::npos ? std::string_view() : rest.substr(path);
}

Fault bad_address(std::string_view text, bool utf8, std::string enhanced, const char* what) {
  if (has_eight_bit(text) && !utf8) return fault(553, "5.6.7", "Non-ASCII addresses need SMTPUTF8");
  return fault(501, std::move(enhanced), std::string("Bad ") + what + " address syntax");
}

Command parse_mail(std::string_view rest, const CommandContext& context) {
  auto text = after_tag(rest, "FROM:");
  if (!text) return fault(501, "5.5.4", "Syntax: MAIL FROM:<address>");
  MailFrom mail;
  // Whether UTF-8 is allowed is said by a parameter that comes after the path.
  auto path = parse_path(*text, true, {.utf8 = true, .bare_postmaster = false});
  if (!path) return bad_address(*text, true, "5.1.7", "sender");
  if (auto wrong = mail_parameters(path->rest, context.extended, mail)) return *wrong;
  std::string_view given = text->substr(0, text->size() - path->rest.size());
  if (!mail.smtputf8 && has_eight_bit(given)) return bad_address(given, false, "", "");
  mail.reverse_path = std::move(path->address.text);
  return mail;
}

Command parse_rcpt(std::string_view rest, const CommandContext& context) {
  auto text = after_tag(rest, "TO:");
  if (!text) return fault(501, "5.5.4", "Syntax: RCPT TO:<address>");
  auto path = parse_path(*text, false, {.utf8 = context.smtputf8, .bare_postmaster = true});
  std::string_view given = path ? text->substr(0, text->size() - path->rest.size()) : *text;
  if (!path || (!context.smtputf8 && has_eight_bit(given)))
    return bad_address(given, context.smtputf8, "5.1.3", "recipient");
  RcptTo rcpt;
  if (auto wrong = rcpt_parameters(path->rest, context, rcpt)) return *wrong;
  rcpt.address = std::move(path->address.text);
  return rcpt;
}

Command parse_hello(std::string_view rest, bool extended) {
  auto name = words(rest);
  if (name.size() != 1) {
    return fault(501, "5.5.4", extended ? "Syntax: EHLO name" : "Syntax: HELO name");
  }
  auto domain = parse_domain(name.front());
  bool printable = std::ranges::all_of(name.front(), [](char c) { return c > ' ' && c < '\x7f'; });
  if (!domain && (!printable || name.front().size() > max_domain)) return fault(501, "5.5.4", "Bad name");
  return Ehlo{domain ? std::move(*domain) : std::string(name.front()), extended};
}

Command parse_auth(std::string_view rest) {
  auto parts = words(rest);
  if (parts.empty() || parts.size() > 2)
    return fault(501, "5.5.4", "Syntax: AUTH mechanism [initial-response]");
  Auth auth{upper_case(parts[0]), std::nullopt};
  if (parts.size() == 2) auth.initial = parts[1] == "=" ? std::string() : std::string(parts[1]);
  return auth;
}

// RFC 3030 2. What cannot be read as a size cannot be skipped either: see Bdat.
Command parse_bdat(std::string_view rest) {
  const auto parts = words(rest);
  if (parts.empty() || parts.size() > 2 || (parts.size() == 2 && !equal_ignoring_case(parts[1], "LAST")))
    return Bdat{};
  std::uint64_t size = 0;
  const char* end = parts[0].data() + parts[0].size();
  const auto [stopped, error] = std::from_chars(parts[0].data(), end, size);
  if (stopped != end || error != std::errc()) return Bdat{};
  return Bdat{.size = size, .last = parts.size() == 2};
}

// Commands without arguments; trailing blanks are tolerated.
template <class T>
Command bare(std::string_view rest, const char* verb) {
  if (!trim_end(rest).empty()) return fault(501, "5.5.4", std::string(verb) + " takes no argument");
  return T{};
}

// A client of another protocol, or one made to speak to this port by somebody else (cross-protocol attacks,
// as web pages can do them): what follows would be taken for commands.
bool foreign(std::string_view line, std::string_view verb) {
  static constexpr std::string_view methods[] = {"GET",     "POST",  "PUT",   "HEAD", "CONNECT",
                                                 "OPTIONS", "PATCH", "TRACE", "PRI",  "DELETE"};
  return std::ranges::find(methods, verb) != std::end(methods) || line.starts_with("\x16\x03");
}

}  // namespace

Command parse_command(std::string_view line, const CommandContext& context) {
  std::size_t blank = std::min(line.find(' '), line.size());
  std::string verb = upper_case(line.substr(0, blank));
  std::string_view rest = line.substr(blank);
  if (!rest.empty()) rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  if (verb == "MAIL") return parse_mail(trim_end(rest), context);
  if (verb == "RCPT") return parse_rcpt(trim_end(rest), context);
  if (verb == "BDAT") return parse_bdat(rest);
  if (verb.starts_with("BDAT")) return Bdat{};  // BDAT<TAB>5: what follows may well be data
  if (verb == "EHLO") return parse_hello(rest, true);
  if (verb == "HELO") return parse_hello(rest, false);
  if (verb == "AUTH") return parse_auth(rest);
  if (foreign(line, verb)) return Foreign{};
  // No other command's grammar has a place for these.
  if (std::ranges::any_of(line, [](char c) { return (c >= 0 && c < ' ' && c != '\t') || c == 0x7f; }))
    return fault(500, "5.5.2", "Control character in a command");
  if (!valid_utf8(line)) return fault(500, "5.5.2", "A command is ASCII, or UTF-8 where SMTPUTF8 allows it");
  if (verb == "DATA") return bare<Data>(rest, "DATA");
  if (verb == "STARTTLS") return bare<StartTls>(rest, "STARTTLS");
  if (verb == "RSET") return bare<Rset>(rest, "RSET");
  if (verb == "QUIT") return bare<Quit>(rest, "QUIT");
  if (verb == "NOOP") return Noop{};  // RFC 5321 4.1.1.9: an argument is ignored
  if (verb == "HELP") return Help{};
  if (verb == "VRFY") return rest.empty() ? Command(fault(501, "5.5.4", "Syntax: VRFY string")) : Vrfy{};
  if (verb == "EXPN") return Expn{};
  return fault(500, "5.5.2", "Command not recognized");
}

}  // namespace relay::wire
