#include "mta/wire/command.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include "mta/wire/address.h"
#include "mta/wire/ascii.h"

namespace relay::wire {
namespace {

Fault fault(int code, std::string enhanced, std::string text) {
  return Fault{Reply{code, std::move(enhanced), {std::move(text)}}};
}

std::string_view trim_end(std::string_view text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Words between blanks.
std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> out;
  while (true) {
    std::size_t begin = text.find_first_not_of(' ');
    if (begin == std::string_view::npos) return out;
    text.remove_prefix(begin);
    std::size_t end = std::min(text.find(' '), text.size());
    out.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

struct Parameter {
  std::string keyword;  // upper case
  std::optional<std::string_view> value;
};

// esmtp-keyword and esmtp-value of RFC 5321 4.1.2; a '=' within the value, which the grammar excludes,
// passes.
std::optional<Parameter> parameter(std::string_view word) {
  std::size_t equals = word.find('=');
  std::string_view keyword = word.substr(0, equals);
  auto legal = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-'; };
  Parameter p{upper_case(keyword), std::nullopt};
  if (keyword.empty() || p.keyword.front() == '-' || !std::ranges::all_of(p.keyword, legal))
    return std::nullopt;
  if (equals != std::string_view::npos) {
    p.value = word.substr(equals + 1);
    auto control = [](char c) { return (c >= 0 && c < ' ') || c == 0x7f; };
    if (p.value->empty() || std::ranges::any_of(*p.value, control)) return std::nullopt;
  }
  return p;
}

// "FROM:<path> parameters": the part after `tag`, or nullopt.
std::optional<std::string_view> after_tag(std::string_view rest, std::string_view tag) {
  if (!starts_ignoring_case(rest, tag)) return std::nullopt;
  rest.remove_prefix(tag.size());
  std::size_t path = rest.find_first_not_of(' ');
  return path == std::string_view::npos ? std::string_view() : rest.substr(path);
}

Fault unknown_parameter(std::string_view word) {
  // What is unknown is not echoed whole: it may be anything.
  return fault(555, "5.5.4",
               "Parameter not recognized: " + std::string(word.substr(0, word.find('=')).substr(0, 32)));
}

// The blank between path and parameters, then each parameter through `take`; the first fault, if any.
std::optional<Fault> parameters(
    std::string_view rest, bool extended,
    const std::function<std::optional<Fault>(const Parameter&, std::string_view)>& take) {
  if (rest.empty()) return std::nullopt;
  if (rest.front() != ' ') return fault(501, "5.5.2", "Syntax error after the path");
  std::vector<std::string> seen;
  for (std::string_view word : words(rest)) {
    if (!extended) return fault(555, "5.5.4", "Parameters need EHLO");
    auto p = parameter(word);
    if (!p) return fault(501, "5.5.4", "Syntax error in parameters");
    if (std::ranges::find(seen, p->keyword) != seen.end())
      return fault(501, "5.5.4", "Parameter given twice");
    seen.push_back(p->keyword);
    if (auto wrong = take(*p, word)) return wrong;
  }
  return std::nullopt;
}

std::optional<Fault> mail_parameter(MailFrom& mail, const Parameter& p, std::string_view word) {
  if (p.keyword == "SIZE") {
    std::uint64_t size = 0;
    if (!p.value || p.value->size() > 20) return fault(501, "5.5.4", "SIZE needs a number");
    auto [end, error] = std::from_chars(p.value->data(), p.value->data() + p.value->size(), size);
    bool digits = end == p.value->data() + p.value->size();
    // Twenty digits can be more than fits, and so more than any limit (RFC 1870 3).
    if (digits && error == std::errc::result_out_of_range) size = std::numeric_limits<std::uint64_t>::max();
    if (!digits || (error != std::errc() && error != std::errc::result_out_of_range)) {
      return fault(501, "5.5.4", "SIZE needs a number");
    }
    mail.size = size;
  } else if (p.keyword == "BODY") {
    std::string body = p.value ? upper_case(*p.value) : "";
    if (body != "7BIT" && body != "8BITMIME") return fault(501, "5.5.4", "BODY is 7BIT or 8BITMIME");
    mail.eight_bit = body == "8BITMIME";
  } else if (p.keyword == "SMTPUTF8") {
    if (p.value) return fault(501, "5.5.4", "SMTPUTF8 takes no value");
    mail.smtputf8 = true;
  } else if (p.keyword == "AUTH") {
    // RFC 4954 5: what a client claims of another's authentication is taken and not trusted.
    if (!p.value) return fault(501, "5.5.4", "AUTH needs a value");
  } else {
    return unknown_parameter(word);
  }
  return std::nullopt;
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
  auto wrong = parameters(path->rest, context.extended, [&](const Parameter& p, std::string_view word) {
    return mail_parameter(mail, p, word);
  });
  if (wrong) return *wrong;
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
  auto wrong = parameters(path->rest, context.extended,
                          [](const Parameter&, std::string_view word) -> std::optional<Fault> {
                            return unknown_parameter(word);
                          });
  if (wrong) return *wrong;
  return RcptTo{std::move(path->address.text)};
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

// Commands without arguments; trailing blanks are tolerated.
template <class T>
Command bare(std::string_view rest, const char* verb) {
  if (!trim_end(rest).empty()) return fault(501, "5.5.4", std::string(verb) + " takes no argument");
  return T{};
}

}  // namespace

Command parse_command(std::string_view line, const CommandContext& context) {
  std::size_t blank = std::min(line.find(' '), line.size());
  std::string verb = upper_case(line.substr(0, blank));
  std::string_view rest = line.substr(blank);
  if (!rest.empty()) rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  if (line.find('\0') != std::string_view::npos) return fault(500, "5.5.2", "NUL in a command");
  if (verb == "MAIL") return parse_mail(trim_end(rest), context);
  if (verb == "RCPT") return parse_rcpt(trim_end(rest), context);
  if (verb == "DATA") return bare<Data>(rest, "DATA");
  if (verb == "EHLO") return parse_hello(rest, true);
  if (verb == "HELO") return parse_hello(rest, false);
  if (verb == "AUTH") return parse_auth(rest);
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
