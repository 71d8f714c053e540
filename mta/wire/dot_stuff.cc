#include "mta/wire/dot_stuff.h"

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
    const bool ended = before_last_ == '\r' && last_ == '\n';
    out.append(ended ? ".\r\n" : "\r\n.\r\n");
    done_ = true;
  }
  return done_;
}

void DotStuffer::emit_range(Output& out, std::string_view range) {
  if (range.empty()) return;
  std::size_t slice = 0;  // where the slice under way begins
  std::size_t line = 0;   // where to look for a line's beginning
  bool begins = last_ == '\n';
  while (true) {
    if (begins && range[line] == '.') {
      out.append(body_, range.substr(slice, line + 1 - slice));
      slice = line;  // the dot again
    }
    const std::size_t end = range.find('\n', line);  // memchr
    if (end == std::string_view::npos || end + 1 == range.size()) break;
    line = end + 1;
    begins = true;
  }
  out.append(body_, range.substr(slice));
  before_last_ = range.size() > 1 ? range[range.size() - 2] : last_;
  last_ = range.back();
}

}  // namespace relay::wire
