#include "mta/wire/dot_stuff.h"

#include <algorithm>
#include <cstddef>

namespace relay::wire {

bool DotStuffer::emit(Output& out, std::size_t block) {
  const auto& segments = body_->segments();
  while (!done_ && segment_ < segments.size() && block > 0) {
    const std::string_view rest = std::string_view(segments[segment_]).substr(offset_);
    const std::string_view range = rest.substr(0, block);
    emit_range(out, range);
    block -= range.size();
    offset_ += range.size();
    if (range.size() == rest.size()) {
      ++segment_;
      offset_ = 0;
    }
  }
  if (!done_ && segment_ == segments.size()) {
    // RFC 5321 4.1.1.4: the CRLF before the final dot is the content's own last one.
    if (!line_start_) out.append("\r\n");
    if (framing_ == Framing::dots) out.append(".\r\n");
    done_ = true;
  }
  return done_;
}

void DotStuffer::emit_range(Output& out, std::string_view range) {
  if (range.empty()) return;
  std::size_t slice = 0;  // where the slice under way begins
  std::size_t at = 0;
  const auto line_end = [&](std::size_t end, std::size_t after, bool whole) {
    if (!whole) {
      out.append(body_, range.substr(slice, end - slice));
      out.append("\r\n");
      slice = after;
    }
    at = after;
    line_start_ = true;
  };
  if (!held_.empty()) {
    const bool whole = range.front() == '\n';
    if (whole) out.append(body_, held_);
    line_end(0, whole ? 1 : 0, whole);
    held_ = {};
  }
  // Each is looked for once in a range: content full of the one and without the other takes no longer.
  std::size_t cr = 0, lf = 0;
  const auto next = [&](std::size_t& known, char c) {
    if (known == 0 || known < at) known = std::min(range.find(c, at), range.size());  // memchr
    return known;
  };
  while (at < range.size()) {
    if (line_start_ && range[at] == '.' && framing_ == Framing::dots) {
      out.append(body_, range.substr(slice, at + 1 - slice));
      slice = at;  // the dot again
    }
    line_start_ = false;
    const std::size_t end = std::min(next(cr, '\r'), next(lf, '\n'));
    if (end == range.size()) break;
    if (range[end] == '\r' && end + 1 == range.size()) {
      out.append(body_, range.substr(slice, end - slice));
      held_ = range.substr(end);
      return;
    }
    const bool whole = range[end] == '\r' && range[end + 1] == '\n';
    line_end(end, end + (whole ? 2 : 1), whole);
  }
  out.append(body_, range.substr(slice));
}

}  // namespace relay::wire
