// ReplyParser: the replies of a server (RFC 5321 4.2), read incrementally from any cut of the stream.
//
// Pure. Bounded: a reply of more bytes or lines than allowed is an error, as is a line that does not begin
// with a reply code, or a continuation with another code. Tolerant where real servers ask for it: a line may
// end in a bare LF and its text may be missing. The enhanced code (RFC 2034, RFC 3463) is split off only if
// it is well formed and of the reply's class. Text comes out as valid UTF-8 without control characters, so
// that it can be shown and stored as it is. After an error the stream means nothing any more: every feed()
// answers `error` until reset().
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "mta/wire/envelope.h"

namespace relay::wire {

class ReplyParser {
 public:
  enum class Status { more, reply, error };

  ReplyParser(std::size_t max_bytes, std::uint32_t max_lines)
      : max_bytes_(max_bytes), max_lines_(max_lines) {}

  // Takes from the front of `bytes` up to the end of the first reply. At `reply`, take() has it.
  Status feed(std::string_view& bytes);
  Reply take();
  const std::string& error() const { return error_; }                     // a phrase for the log
  bool idle() const { return partial_.empty() && reply_.lines.empty(); }  // nothing of a reply is held
  void reset();

 private:
  Status on_line(std::string_view line);
  Status broken(std::string why);

  std::size_t max_bytes_;
  std::uint32_t max_lines_;
  std::string partial_;    // a line whose end has not come
  std::size_t bytes_ = 0;  // of this reply so far
  Reply reply_;
  std::string error_;
};

// "5.1.1" at the beginning of `text`, followed by a blank or the end: its length, else 0 (RFC 3463 2).
std::size_t enhanced_code_length(std::string_view text);

}  // namespace relay::wire
