#include "mta/mime/nesting.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "mta/wire/ascii.h"

namespace relay::mime {
namespace {

constexpr std::string_view multipart = "multipart", message = "message";

bool names_a_container(std::string_view before_slash) {
  const auto ends = [&](std::string_view type) {
    return before_slash.size() >= type.size() &&
           wire::equal_ignoring_case(before_slash.substr(before_slash.size() - type.size()), type);
  };
  return ends(multipart) || ends(message);
}

// "multipart/" and "message/" anywhere: there are no more parts of such a kind.
std::size_t containers_at_most(const Body& content) {
  std::size_t count = 0;
  std::string before;  // the end of what came before the segment
  for (const std::string& segment : content.segments()) {
    for (std::size_t at = segment.find('/'); at != segment.npos; at = segment.find('/', at + 1)) {
      const bool within = at >= multipart.size();
      const std::string joined = within ? std::string() : before + segment.substr(0, at);
      const std::string_view text = within ? std::string_view(segment).substr(0, at) : joined;
      if (names_a_container(text.substr(text.size() - std::min(text.size(), multipart.size())))) ++count;
    }
    before += segment.substr(segment.size() - std::min(segment.size(), multipart.size()));
    before.erase(0, before.size() - std::min(before.size(), multipart.size()));
  }
  return count;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// A parameter's value at the front of `text`, quoted or not; takes it and the semicolon behind it.
std::string take_value(std::string_view& text) {
  std::string value;
  const bool quoted = text.starts_with('"');
  std::size_t at = quoted ? 1 : 0;
  for (; at < text.size() && text[at] != (quoted ? '"' : ';'); ++at) {
    if (quoted && text[at] == '\\' && at + 1 < text.size()) ++at;
    value += text[at];
  }
  text.remove_prefix(std::min(text.find(';', at), text.size() - 1) + 1);
  return quoted ? value : std::string(trimmed(value));
}

// The boundary parameter, also in the pieces of RFC 2231 3; empty without one.
std::string boundary_of(std::string_view content_type) {
  std::string boundary;
  std::string_view left = content_type;
  const std::size_t semicolon = left.find(';');
  if (semicolon == left.npos) return {};
  left.remove_prefix(semicolon + 1);
  while (!left.empty()) {
    const std::size_t sign = left.find('=');
    if (sign == left.npos) break;
    const std::string_view name = trimmed(left.substr(0, sign));
    left.remove_prefix(sign + 1);
    left = left.substr(std::min(left.find_first_not_of(" \t"), left.size()));
    if (left.empty()) break;
    std::string value = take_value(left);
    if (wire::equal_ignoring_case(name, "boundary") || wire::starts_ignoring_case(name, "boundary*"))
      boundary += value;
  }
  return boundary;
}

// Goes through the lines of a message and knows in which parts each lies.
class Walk {
 public:
  explicit Walk(std::size_t levels) : levels_(levels) {}
  void line(std::string_view text);
  bool over() const { return most_ > levels_; }

 private:
  struct Open {
    std::string boundary;
    std::size_t depth;  // of its parts
  };
  bool delimiter(std::string_view text);
  void header(std::string_view text);
  void end_of_header();
  void close(std::size_t to);
  void deeper() { most_ = std::max(most_, ++depth_); }

  const std::size_t levels_;
  std::size_t most_ = 0;
  std::size_t depth_ = 0;  // of what is read now
  std::vector<Open> open_;
  std::unordered_map<std::string, std::vector<std::size_t>> by_boundary_;  // places in open_
  bool in_header_ = true;
  bool of_type_ = false;  // the line before is of the Content-Type field
  std::string type_;
};

void Walk::line(std::string_view text) {
  if (text.starts_with("--") && delimiter(text.substr(2))) return;
  if (!in_header_) return;
  if (text.empty())
    end_of_header();
  else
    header(text);
}

void Walk::header(std::string_view text) {
  constexpr std::string_view field = "Content-Type";
  if (text.front() == ' ' || text.front() == '\t') {
    if (of_type_) type_ += text;
    return;
  }
  const std::size_t colon = text.find(':');
  of_type_ = colon != text.npos && wire::equal_ignoring_case(trimmed(text.substr(0, colon)), field);
  if (of_type_) type_ = text.substr(colon + 1);
}

void Walk::end_of_header() {
  const std::string type = std::exchange(type_, {});
  of_type_ = false;
  const std::string_view kind = trimmed(type);
  in_header_ = wire::starts_ignoring_case(kind, "message/rfc822") ||
               wire::starts_ignoring_case(kind, "message/global");
  if (in_header_) return deeper();  // the message within begins with its own header section
  if (!wire::starts_ignoring_case(kind, multipart)) return;
  std::string boundary = boundary_of(kind);
  if (boundary.empty()) return;
  deeper();
  by_boundary_[boundary].push_back(open_.size());
  open_.push_back({std::move(boundary), depth_});
}

// RFC 2046 5.1.1: "--boundary", with "--" behind it the last; blanks may follow. The innermost of that name.
bool Walk::delimiter(std::string_view text) {
  constexpr std::size_t longest = 1000;
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  if (open_.empty() || text.size() > longest) return false;
  auto found = by_boundary_.find(std::string(text));
  const bool last = found == by_boundary_.end() && text.ends_with("--");
  if (last) found = by_boundary_.find(std::string(text.substr(0, text.size() - 2)));
  if (found == by_boundary_.end()) return false;
  const std::size_t place = found->second.back();
  close(last ? place : place + 1);
  depth_ = open_.empty() ? 0 : open_.back().depth;
  in_header_ = !last;
  of_type_ = false;
  type_.clear();
  return true;
}

void Walk::close(std::size_t to) {
  for (; open_.size() > to; open_.pop_back()) {
    const auto found = by_boundary_.find(open_.back().boundary);
    found->second.pop_back();
    if (found->second.empty()) by_boundary_.erase(found);
  }
}

}  // namespace

bool nested_deeper(const Body& content, std::size_t levels) {
  if (containers_at_most(content) <= levels) return false;
  const std::string all = content.flatten();
  Walk walk(levels);
  for (std::size_t at = 0; at < all.size() && !walk.over();) {
    const std::size_t end = std::min(all.find("\r\n", at), all.size());
    walk.line(std::string_view(all).substr(at, end - at));
    at = std::min(end + 2, all.size());
  }
  return walk.over();
}

}  // namespace relay::mime
