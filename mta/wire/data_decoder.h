// DataDecoder: the content of a message as it comes after 354 (RFC 5321 4.1.1.4, 4.5.2), undone of its dots,
// or in the chunks of BDAT (RFC 3030), where a dot means nothing and the owner knows the end.
//
// With dots the content ends at CRLF.CRLF and at nothing else: a bare LF or CR, whatever it stands beside,
// never ends it. Each bare LF and each bare CR becomes CRLF in the content (RFC 5321 2.3.8 forbids them; some
// real clients send them), also where a chunk's end stands beside it; that it did is told by bare(). NUL
// passes, and is told. Over the limit the rest is read and dropped to the end, so that the refusal comes
// where a reply is due; and so it is when the budget that all content under way shares has no room for it.
// Memory: the content, in segments of 256 KiB; time is linear, whatever the content and its cuts.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string_view>

#include "mta/base/body.h"
#include "mta/base/byte_budget.h"

namespace relay::wire {

class DataDecoder {
 public:
  enum class Framing : std::uint8_t { dots, chunks };
  // `budget`, if there is one, outlives the decoder, which has a share of it until it is destroyed.
  explicit DataDecoder(std::uint64_t limit_bytes, Framing framing = Framing::dots,
                       ByteBudget* budget = nullptr)
      : limit_(limit_bytes), dots_(framing == Framing::dots), share_(budget) {}

  // Takes bytes up to the end of the content at most; returns how many were taken. Those after belong to
  // commands. In chunks all are taken.
  std::size_t feed(std::string_view bytes);
  void finish();  // of chunks: no more come. The last line gets its CRLF.
  bool done() const { return state_ == State::done; }
  std::uint64_t size() const { return size_; }  // of the content so far, dropped or not
  bool over_limit() const { return over_; }
  bool no_room() const { return no_room_; }  // in the budget; not told beyond the limit
  bool eight_bit() const { return eight_bit_; }
  bool bare() const { return bare_; }
  bool nul() const { return nul_; }
  std::uint64_t longest_line() const { return std::max(longest_, line_); }  // with its end
  std::shared_ptr<Body> take();  // when done(), and neither over_limit() nor no_room()

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
  bool has_room();
  void drop();
  void put_line_end(bool bare);
  void end_line();
  class Ahead;
  std::size_t plain_run(Ahead& ahead, std::size_t at);
  void step(char c);

  std::uint64_t limit_;
  bool dots_;
  std::uint64_t size_ = 0;
  std::string segment_;
  std::shared_ptr<Body> body_ = std::make_shared<Body>();
  State state_ = State::line_start;
  bool over_ = false;
  bool no_room_ = false;
  ByteBudget::Share share_;
  bool eight_bit_ = false;
  bool bare_ = false;
  bool nul_ = false;
  std::uint64_t line_ = 0;  // bytes of the line under way
  std::uint64_t longest_ = 0;
};

}  // namespace relay::wire
