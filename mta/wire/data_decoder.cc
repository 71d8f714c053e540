#include "mta/wire/data_decoder.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "mta/base/result.h"

namespace relay::wire {
namespace {

constexpr std::size_t segment_bytes = 256u << 10;  // longer ones would be copied more often while they grow

bool any_high(std::string_view bytes) {
  std::uint64_t all = 0;
  for (; bytes.size() >= sizeof all; bytes.remove_prefix(sizeof all)) {
    std::uint64_t eight;
    std::memcpy(&eight, bytes.data(), sizeof eight);
    all |= eight;
  }
  for (char c : bytes) all |= static_cast<unsigned char>(c);
  return (all & 0x8080808080808080u) != 0;
}

}  // namespace

// Where the next CR and LF stand in one piece of input. Each is looked for once: content full of the one and
// without the other would else be searched to its end over and over.
class DataDecoder::Ahead {
 public:
  explicit Ahead(std::string_view bytes) : bytes_(bytes) {}
  std::string_view bytes() const { return bytes_; }
  std::size_t carriage_return(std::size_t from) { return next(cr_, '\r', from); }
  std::size_t line_feed(std::size_t from) { return next(lf_, '\n', from); }

 private:
  std::size_t next(std::optional<std::size_t>& known, char c, std::size_t from) const {
    if (!known || *known < from) known = std::min(bytes_.find(c, from), bytes_.size());
    return *known;
  }
  std::string_view bytes_;
  std::optional<std::size_t> cr_, lf_;
};

// What the segment under way has room for is counted, not what is in it.
bool DataDecoder::has_room() {
  const std::uint64_t step = size_ > segment_bytes / 4 ? segment_bytes : segment_bytes / 16;
  return share_.grow_to(std::min((size_ + step - 1) / step * step, std::max(size_, limit_)));
}

void DataDecoder::drop() {
  body_ = std::make_shared<Body>();
  segment_ = std::string();
  share_.release();
}

// Bytes that may hold whole lines: then the caller has told of their ends.
void DataDecoder::put(std::string_view bytes) {
  size_ += bytes.size();
  const bool dropped = over_ || no_room_;
  over_ = size_ > limit_;
  no_room_ = no_room_ || (!over_ && !has_room());
  if (over_ || no_room_) return dropped ? void() : drop();
  eight_bit_ = eight_bit_ || any_high(bytes);
  nul_ = nul_ || bytes.find('\0') != std::string_view::npos;
  while (!bytes.empty()) {
    std::string_view fits = bytes.substr(0, segment_bytes - segment_.size());
    // Once it is no small message, the room of a whole segment and not the next power of two.
    if (segment_.size() + fits.size() > segment_bytes / 4) segment_.reserve(segment_bytes);
    segment_ += fits;
    bytes.remove_prefix(fits.size());
    if (segment_.size() == segment_bytes) body_->append(std::exchange(segment_, std::string()));
  }
}

void DataDecoder::end_line() { longest_ = std::max(longest_, std::exchange(line_, 0)); }

void DataDecoder::put_line_end(bool bare) {
  bare_ = bare_ || bare;
  put("\r\n");
  line_ += 2;
  end_line();
}

// Whole lines and a beginning of one that need no change, from `text` or `line_start`, put at once. Stops
// before the first dot at a line's start and the first CR or LF that is not CRLF within these bytes. Answers
// how far it came.
std::size_t DataDecoder::plain_run(Ahead& ahead, std::size_t from) {
  const std::string_view bytes = ahead.bytes();
  std::size_t at = from;
  bool start = state_ == State::line_start;
  while (at < bytes.size() && !(dots_ && start && bytes[at] == '.')) {
    std::size_t line_feed = ahead.line_feed(at), carriage = ahead.carriage_return(at);
    if (line_feed == bytes.size() || carriage + 1 != line_feed) {
      // No CRLF follows, or something bare comes first: what is before it is plain.
      std::size_t end = std::min(carriage, line_feed);
      start = start && end == at;
      line_ += end - at;
      at = end;
      break;
    }
    line_ += line_feed + 1 - at;
    end_line();
    at = line_feed + 1;
    start = true;
  }
  if (at > from) {
    put(bytes.substr(from, at - from));
    state_ = start ? State::line_start : State::text;
  }
  return at;
}

void DataDecoder::step(char c) {
  switch (state_) {
    case State::dot:
      if (c == '\r') {
        state_ = State::dot_cr;
        return;
      }
      state_ = State::text;  // the dot was put there by the client (RFC 5321 4.5.2)
      break;
    case State::dot_cr:
      if (c == '\n') {
        state_ = State::done;
        return;
      }
      put_line_end(true);
      state_ = State::text;
      break;
    case State::cr:
      put_line_end(c != '\n');
      state_ = c == '\n' ? State::line_start : State::text;
      if (c == '\n') return;
      break;
    case State::line_start:
      if (dots_ && c == '.') {
        state_ = State::dot;
        return;
      }
      break;
    case State::text: break;
    case State::done: RELAY_ASSERT(false);
  }
  // An ordinary character, at the start of a line or within one.
  if (c == '\r') {
    state_ = State::cr;
  } else if (c == '\n') {
    put_line_end(true);
    state_ = State::text;
  } else {
    put(std::string_view(&c, 1));
    ++line_;
    state_ = State::text;
  }
}

std::size_t DataDecoder::feed(std::string_view bytes) {
  Ahead ahead(bytes);
  std::size_t at = 0;
  while (at < bytes.size() && !done()) {
    if (state_ == State::text || state_ == State::line_start) at = plain_run(ahead, at);
    if (at < bytes.size()) step(bytes[at++]);
  }
  return at;
}

void DataDecoder::finish() {
  RELAY_ASSERT(!dots_);
  if (state_ == State::cr) put_line_end(true);
  if (line_ > 0) put_line_end(false);  // what goes out by DATA ends in CRLF anyway
  state_ = State::done;
}

std::shared_ptr<Body> DataDecoder::take() {
  RELAY_ASSERT(done() && !over_ && !no_room_);
  body_->append(std::move(segment_));
  return std::move(body_);
}

}  // namespace relay::wire
