#include "mta/wire/parameters.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include "mta/wire/address.h"
#include "mta/wire/ascii.h"
#include "mta/wire/xtext.h"

namespace relay::wire {
namespace {

constexpr std::size_t envid_characters = 100;     // RFC 3461 4.4
constexpr std::size_t original_characters = 500;  // RFC 3461 4.2
constexpr std::size_t interval_digits = 9;        // RFC 4865 3: future-release-integer

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

using MaybeFault = std::optional<Fault>;

Fault wrong(std::string text) { return fault(501, "5.5.4", std::move(text)); }

Fault unknown(std::string_view word) {
  // What is unknown is not echoed whole: it may be anything.
  return fault(555, "5.5.4",
               "Parameter not recognized: " + std::string(word.substr(0, word.find('=')).substr(0, 32)));
}

MaybeFault each_parameter(std::string_view rest, bool extended,
                          const std::function<MaybeFault(const Parameter&, std::string_view)>& take) {
  if (rest.empty()) return std::nullopt;
  if (rest.front() != ' ') return fault(501, "5.5.2", "Syntax error after the path");
  std::vector<std::string> seen;
  for (std::string_view word : words(rest)) {
    if (!extended) return fault(555, "5.5.4", "Parameters need EHLO");
    auto p = parameter(word);
    if (!p) return wrong("Syntax error in parameters");
    if (std::ranges::find(seen, p->keyword) != seen.end()) return wrong("Parameter given twice");
    seen.push_back(p->keyword);
    if (auto no = take(*p, word)) return no;
  }
  return std::nullopt;
}

MaybeFault take_size(MailFrom& mail, const Parameter& p) {
  std::uint64_t size = 0;
  if (!p.value || p.value->size() > 20) return wrong("SIZE needs a number");
  auto [end, error] = std::from_chars(p.value->data(), p.value->data() + p.value->size(), size);
  bool digits = end == p.value->data() + p.value->size();
  // Twenty digits can be more than fits, and so more than any limit (RFC 1870 3).
  if (digits && error == std::errc::result_out_of_range) size = std::numeric_limits<std::uint64_t>::max();
  if (!digits || (error != std::errc() && error != std::errc::result_out_of_range))
    return wrong("SIZE needs a number");
  mail.size = size;
  return std::nullopt;
}

MaybeFault take_body(MailFrom& mail, const Parameter& p) {
  std::string body = p.value ? upper_case(*p.value) : "";
  // Whether the next host could have it is known only when it has answered (RFC 3030 3).
  if (body == "BINARYMIME")
    return wrong("BINARYMIME is not offered; encode the message and use BODY=8BITMIME");
  if (body != "7BIT" && body != "8BITMIME") return wrong("BODY is 7BIT or 8BITMIME");
  mail.eight_bit = body == "8BITMIME";
  return std::nullopt;
}

MaybeFault take_ret(MailFrom& mail, const Parameter& p) {
  std::string ret = p.value ? upper_case(*p.value) : "";
  if (ret != "FULL" && ret != "HDRS") return wrong("RET is FULL or HDRS");
  mail.ret = ret == "FULL" ? DsnReturn::full : DsnReturn::headers;
  return std::nullopt;
}

// RFC 3461 4.4: it stands in DSNs, so that it must be text.
MaybeFault take_envid(MailFrom& mail, const Parameter& p) {
  auto printable = [](char c) { return c >= ' ' && c <= '~'; };
  auto id = p.value && p.value->size() <= envid_characters ? decode_xtext(*p.value) : std::nullopt;
  if (!id || !std::ranges::all_of(*id, printable))
    return wrong("ENVID is xtext of printable characters, at most 100 of them");
  mail.id = std::move(*id);
  return std::nullopt;
}

MaybeFault take_hold(MailFrom& mail, const Parameter& p) {
  if (mail.hold) return wrong("HOLDFOR and HOLDUNTIL exclude each other");
  if (p.keyword == "HOLDUNTIL") {
    auto at = p.value ? parse_rfc3339(*p.value) : std::nullopt;
    if (!at) return wrong("HOLDUNTIL is a date and time, as 2026-11-21T09:30:00Z");
    mail.hold = *at;
    return std::nullopt;
  }
  std::uint32_t seconds = 0;
  if (p.value && p.value->size() <= interval_digits && std::ranges::all_of(*p.value, is_digit))
    std::from_chars(p.value->data(), p.value->data() + p.value->size(), seconds);
  if (seconds == 0) return wrong("HOLDFOR is a number of seconds, at least 1");
  mail.hold = Duration(std::chrono::seconds(seconds));
  return std::nullopt;
}

MaybeFault take_mail(MailFrom& mail, const Parameter& p, std::string_view word) {
  if (p.keyword == "SIZE") return take_size(mail, p);
  if (p.keyword == "BODY") return take_body(mail, p);
  if (p.keyword == "RET") return take_ret(mail, p);
  if (p.keyword == "ENVID") return take_envid(mail, p);
  if (p.keyword == "HOLDFOR" || p.keyword == "HOLDUNTIL") return take_hold(mail, p);
  if (p.keyword == "SMTPUTF8") {
    if (p.value) return wrong("SMTPUTF8 takes no value");
    mail.smtputf8 = true;
  } else if (p.keyword == "AUTH") {
    // RFC 4954 5: what a client claims of another's authentication is taken and not trusted.
    if (!p.value || (*p.value != "<>" && !decode_xtext(*p.value))) return wrong("AUTH is <> or xtext");
  } else {
    return unknown(word);
  }
  return std::nullopt;
}

// RFC 3461 4.1: NEVER alone, or a list of the others, each once.
MaybeFault take_notify(RcptTo& rcpt, const Parameter& p) {
  static constexpr std::pair<std::string_view, Notify> names[] = {{"NEVER", notify_never},
                                                                  {"SUCCESS", notify_success},
                                                                  {"FAILURE", notify_failure},
                                                                  {"DELAY", notify_delay}};
  const auto bad = [] { return wrong("NOTIFY is NEVER, or of SUCCESS, FAILURE and DELAY, with commas"); };
  if (!p.value) return bad();
  const std::string value = upper_case(*p.value);
  std::uint8_t wanted = 0;
  for (std::size_t at = 0; at <= value.size();) {
    const std::size_t end = std::min(value.find(',', at), value.size());
    const auto found = std::ranges::find(names, std::string_view(value).substr(at, end - at),
                                         &std::pair<std::string_view, Notify>::first);
    if (found == std::end(names) || (wanted & found->second) != 0) return bad();
    wanted |= found->second;
    at = end + 1;
  }
  if ((wanted & notify_never) != 0 && wanted != notify_never) return bad();
  rcpt.notify = wanted;
  return std::nullopt;
}

// RFC 3461 4.2: type;address. With SMTPUTF8 the type may be utf-8 and the address UTF-8 (RFC 6533 3).
MaybeFault take_orcpt(RcptTo& rcpt, const Parameter& p, bool smtputf8) {
  const auto bad = [] { return wrong("ORCPT is type;address in xtext, as rfc822;user@example.com"); };
  if (!p.value || p.value->size() > original_characters) return bad();
  const std::size_t semicolon = p.value->find(';');
  if (semicolon == std::string_view::npos || semicolon == 0) return bad();
  const std::string type = lower_case(p.value->substr(0, semicolon));
  if (!std::ranges::all_of(type, [](char c) { return is_alphanumeric(c) || c == '-'; })) return bad();
  const std::string_view given = p.value->substr(semicolon + 1);
  std::optional<std::string> address;
  if (type == "utf-8" && has_eight_bit(given)) {
    if (smtputf8 && valid_utf8(given)) address = std::string(given);
  } else {
    address = decode_xtext(given);
  }
  const auto control = [](char c) { return (c >= 0 && c < ' ') || c == 0x7f; };
  if (!address || address->empty() || std::ranges::any_of(*address, control) || !valid_utf8(*address))
    return bad();
  rcpt.original = type + ';' + *address;
  return std::nullopt;
}

}  // namespace

Fault fault(int code, std::string enhanced, std::string text) {
  return Fault{Reply{code, std::move(enhanced), {std::move(text)}}};
}

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

std::optional<Fault> mail_parameters(std::string_view rest, bool extended, MailFrom& mail) {
  return each_parameter(rest, extended,
                        [&](const Parameter& p, std::string_view word) { return take_mail(mail, p, word); });
}

std::optional<Fault> rcpt_parameters(std::string_view rest, const CommandContext& context, RcptTo& rcpt) {
  return each_parameter(rest, context.extended, [&](const Parameter& p, std::string_view word) -> MaybeFault {
    if (p.keyword == "NOTIFY") return take_notify(rcpt, p);
    if (p.keyword == "ORCPT") return take_orcpt(rcpt, p, context.smtputf8);
    return unknown(word);
  });
}

}  // namespace relay::wire
