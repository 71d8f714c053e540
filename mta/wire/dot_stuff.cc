#include "mta/wire/dot_stuff.h"

#include <algorithm>
#include <cstring>

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
  const char* slice = range.data();
  const char* const end = range.data() + range.size();
  const char* line = last_ == '\n' ? slice : nullptr;  // where a line begins, if one does
  const char* at = slice;
  while (true) {
    if (line != nullptr && line < end && *line == '.') {
      out.append(body_, {slice, line + 1});
      slice = line;  // the dot again
    }
    at = static_cast<const char*>(std::memchr(at, '\n', static_cast<std::size_t>(end - at)));
    if (at == nullptr || ++at == end) break;
    line = at;
  }
  out.append(body_, {slice, end});
  before_last_ = range.size() > 1 ? end[-2] : last_;
  last_ = end[-1];
}

}  // namespace relay::wire
