#include "mta/intake/complete.h"

#include <fmt/format.h>

#include <algorithm>

#include "mta/wire/address.h"

namespace relay::intake {
namespace {

// RFC 5321 4.1.3
std::string address_literal(const std::string& address) {
  bool six = address.find(':') != std::string::npos;
  return (six ? "[IPv6:" : "[") + address + "]";
}

// "from NAME ([192.0.2.1])": the name is the client's word, the address is what we saw.
std::string origin(const Submission& submission) {
  if (submission.peer.address.empty()) return {};
  std::string literal = address_literal(submission.peer.address);
  auto name = wire::parse_domain(submission.helo);
  return fmt::format("from {} ({})\r\n\t", name ? *name : literal, literal);
}

bool ascii(const std::string& text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::string received(const Submission& submission, const MessageId& id, const std::string& host_name,
                     WallTime now) {
  std::string line = fmt::format("Received: {}by {} with {} id {}", origin(submission), host_name,
                                 submission.protocol, id.text());
  // One recipient may be named; of several none is, so that no copy shows who else got one (RFC 5321 7.2).
  const auto& recipients = submission.envelope.recipients;
  if (recipients.size() == 1 && ascii(recipients.front().address)) {
    line += fmt::format("\r\n\tfor <{}>", recipients.front().address);
  }
  return line + ";\r\n\t" + format_rfc5322(now) + "\r\n";
}

bool starts_with_empty_line(const Body& content) {
  std::string first;
  for (const auto& segment : content.segments()) {
    first += segment.substr(0, 2);
    if (first.size() >= 2) break;
  }
  return first.empty() || first.starts_with("\r\n");
}

}  // namespace

Completion complete(const Submission& submission, const wire::HeaderScan& headers, const MessageId& id,
                    const std::string& host_name, WallTime now) {
  Completion made{received(submission, id, host_name, now), headers.message_id};
  if (!headers.has_date) made.header += "Date: " + format_rfc5322(now) + "\r\n";
  if (!headers.has_message_id) {
    made.message_id = fmt::format("<{}@{}>", id.text(), host_name);
    made.header += "Message-ID: " + made.message_id + "\r\n";
  }
  // Content that begins with text instead of a field has no header section: ours must not swallow its first
  // line.
  if (headers.header_bytes == 0 && !starts_with_empty_line(*submission.content)) made.header += "\r\n";
  return made;
}

}  // namespace relay::intake
