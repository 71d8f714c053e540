// DotStuffer: a Body as it goes out after DATA (RFC 5321 4.5.2) or in chunks (RFC 3030), without copying it.
//
// After DATA a line that begins with a dot gets another one: the two dots are the end of one slice and the
// beginning of the next, both of the Body. CRLF is added if the content does not end in it, then the final
// dot. Chunks have neither dot. No CR or LF goes out alone, whatever the Body holds and wherever it came
// from: each becomes CRLF, since some hosts take them for a line's end and would find the end of the message
// there. emit() gives one block at a time, so that output is bounded and content can be timed by the block.
#pragma once
#include <cstddef>
#include <string_view>

#include "mta/base/body.h"
#include "mta/wire/dialog.h"

namespace relay::wire {

class DotStuffer {
 public:
  enum class Framing { dots, chunks };
  explicit DotStuffer(BodyPtr body, Framing framing = Framing::dots)
      : body_(std::move(body)), framing_(framing) {}

  // Appends the next block: `block` bytes of content, and what stuffing adds (at most as much again). True
  // once all is in, the final dot too.
  bool emit(Output& out, std::size_t block);
  bool done() const { return done_; }

 private:
  void emit_range(Output& out, std::string_view range);

  BodyPtr body_;
  Framing framing_;
  std::size_t segment_ = 0;
  std::size_t offset_ = 0;
  std::string_view held_;   // a CR whose successor is not known yet
  bool line_start_ = true;  // the content begins as after a line's end
  bool done_ = false;
};

}  // namespace relay::wire
