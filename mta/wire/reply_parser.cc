#include "mta/wire/reply_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "mta/base/log.h"

#include "mta/base/utf8.h"

namespace relay::wire {
namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }

std::string presentable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const auto first = static_cast<unsigned char>(text.front());
    if (length == 0 || first == 0x7f || (first < 0x20 && first != '\t'))
      out += '?';
    else
      out += text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

}  // namespace

std::size_t enhanced_code_length(std::string_view text) {
  if (text.size() < 5 || (text[0] != '2' && text[0] != '4' && text[0] != '5') || text[1] != '.') return 0;
  std::size_t at = 2;
  for (int part = 0; part < 2; ++part) {  // subject and detail: one to three digits each
    std::size_t digits = 0;
    while (at < text.size() && digit(text[at]) && digits < 4) ++at, ++digits;
    if (digits < 1 || digits > 3) return 0;
    if (part == 1) break;
    if (at == text.size() || text[at] != '.') return 0;
    ++at;
  }
  return at == text.size() || text[at] == ' ' ? at : 0;
}

ReplyParser::Status ReplyParser::feed(std::string_view& bytes) {
  if (!error_.empty()) return Status::error;
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::size_t taken = end == std::string_view::npos ? bytes.size() : end + 1;
    // Counted before it is kept, so that what is held stays bounded.
    if (taken > max_bytes_ - bytes_) return broken(fmt::format("a reply of more than {} bytes", max_bytes_));
    bytes_ += taken;
    const std::string_view piece = bytes.substr(0, taken);
    bytes.remove_prefix(taken);
    if (end == std::string_view::npos) {
      partial_ += piece;
      break;
    }
    Status status = Status::more;
    if (partial_.empty()) {
      status = on_line(piece.substr(0, piece.size() - 1));
    } else {
      partial_ += piece.substr(0, piece.size() - 1);
      status = on_line(std::exchange(partial_, {}));
    }
    if (status != Status::more) return status;
  }
  return Status::more;
}

// RFC 5321 4.2.1: code, then '-' if another line follows, else a blank or nothing.
ReplyParser::Status ReplyParser::on_line(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  const bool has_code =
      line.size() >= 3 && line[0] >= '2' && line[0] <= '5' && digit(line[1]) && digit(line[2]);
  if (!has_code || (line.size() > 3 && line[3] != ' ' && line[3] != '-'))
    return broken(fmt::format("what is no SMTP reply: {}", log::printable(presentable(line), 80)));
  const int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
  if (reply_.lines.empty())
    reply_.code = code;
  else if (code != reply_.code)
    return broken(fmt::format("a reply whose lines have different codes, {} and {}", reply_.code, code));
  if (reply_.lines.size() >= max_lines_)
    return broken(fmt::format("a reply of more than {} lines", max_lines_));

  const bool last = line.size() == 3 || line[3] == ' ';
  std::string_view text = line.substr(std::min<std::size_t>(4, line.size()));
  const std::size_t length = enhanced_code_length(text);
  if (length > 0 && text[0] == line[0]) {
    if (reply_.lines.empty()) reply_.enhanced = text.substr(0, length);
    // RFC 2034 4: every line repeats the code. One with another keeps it in its text.
    if (text.substr(0, length) == reply_.enhanced) text.remove_prefix(std::min(length + 1, text.size()));
  }
  reply_.lines.push_back(presentable(text));
  return last ? Status::reply : Status::more;
}

ReplyParser::Status ReplyParser::broken(std::string why) {
  reset();
  error_ = std::move(why);
  return Status::error;
}

Reply ReplyParser::take() {
  Reply reply = std::exchange(reply_, {});
  reset();
  return reply;
}

void ReplyParser::reset() {
  partial_.clear();
  bytes_ = 0;
  reply_ = {};
  error_.clear();
}

}  // namespace relay::wire
