// DataDecoder: the content of a message as it comes after 354 (RFC 5321 4.1.1.4, 4.5.2), undone of its dots.
//
// The content ends at CRLF.CRLF and at nothing else: a bare LF or CR, whatever it stands beside, never ends
// it. Each bare LF and each bare CR becomes CRLF in the content (RFC 5321 2.3.8 forbids them; some real
// clients send them). NUL passes. Over the limit the rest is read and dropped to the end, so that the refusal
// comes where a reply is due. Memory: the content, in segments of 256 KiB; time is linear,
// whatever the content and its cuts.
#pragma once
#include <cstdint>
#include <memory>
#include <string_view>

#include "mta/base/body.h"

namespace relay::wire {

class DataDecoder {
 public:
  explicit DataDecoder(std::uint64_t limit_bytes) : limit_(limit_bytes) {}

  // Takes bytes up to the end of the content at most; returns how many were taken. Those after belong to
  // commands.
  std::size_t feed(std::string_view bytes);
  bool done() const { return state_ == State::done; }
  bool over_limit() const { return over_; }
  bool eight_bit() const { return eight_bit_; }
  std::shared_ptr<Body> take();  // when done() and not over_limit()

 private:
  // What has been seen of CRLF . CRLF. A CR is held back until its successor is known. After a bare LF or CR
  // the line that begins in the content is `text` here: it can neither end the content nor lose a dot.
  enum class State {
    line_start,  // after CRLF, or at the beginning
    text,        // within a line
    cr,          // CR within a line
    dot,         // '.' at the start of a line
    dot_cr,      // '.' CR at the start of a line
    done,
  };
  void put(std::string_view bytes);
  class Ahead;
  std::size_t plain_run(Ahead& ahead, std::size_t at);
  void step(char c);

  std::uint64_t limit_;
  std::uint64_t size_ = 0;
  std::string segment_;
  std::shared_ptr<Body> body_ = std::make_shared<Body>();
  State state_ = State::line_start;
  bool over_ = false;
  bool eight_bit_ = false;
};

}  // namespace relay::wire
