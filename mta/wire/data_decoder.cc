#include "mta/wire/data_decoder.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "mta/base/result.h"

namespace relay::wire {
namespace {

constexpr std::size_t segment_bytes = 256 * 1024;  // longer ones would be copied more often while they grow

bool any_high(std::string_view bytes) {
  unsigned char all = 0;
  for (char c : bytes) all |= static_cast<unsigned char>(c);
  return all >= 0x80;
}

std::size_t find(std::string_view bytes, char c, std::size_t from) {
  const void* at = std::memchr(bytes.data() + from, c, bytes.size() - from);
  return at ? static_cast<std::size_t>(static_cast<const char*>(at) - bytes.data()) : bytes.size();
}

}  // namespace

void DataDecoder::put(std::string_view bytes) {
  size_ += bytes.size();
  if (size_ > limit_) {
    over_ = true;
    body_ = std::make_shared<Body>();
    segment_ = std::string();
    return;
  }
  eight_bit_ = eight_bit_ || any_high(bytes);
  segment_ += bytes;
  if (segment_.size() >= segment_bytes) body_->append(std::exchange(segment_, std::string()));
}

// Whole lines and a beginning of one that need no change, from `text` or `line_start`, put at once. Stops
// before the first dot at a line's start and the first CR or LF that is not CRLF within these bytes.
std::size_t DataDecoder::plain_run(std::string_view bytes) {
  std::size_t at = 0;
  bool start = state_ == State::line_start;
  while (at < bytes.size() && !(start && bytes[at] == '.')) {
    std::size_t line_feed = find(bytes, '\n', at);
    std::size_t carriage = find(bytes.substr(0, line_feed), '\r', at);
    if (line_feed == bytes.size() || carriage + 1 != line_feed) {
      // No CRLF follows, or something bare comes first: what is before it is plain.
      std::size_t end = std::min(carriage, line_feed);
      start = start && end == at;
      at = end;
      break;
    }
    at = line_feed + 1;
    start = true;
  }
  if (at > 0) {
    put(bytes.substr(0, at));
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
      put("\r\n");  // a bare CR
      state_ = State::text;
      break;
    case State::cr:
      put("\r\n");
      state_ = c == '\n' ? State::line_start : State::text;
      if (c == '\n') return;
      break;
    case State::line_start:
      if (c == '.') {
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
    put("\r\n");
    state_ = State::text;
  } else {
    put(std::string_view(&c, 1));
    state_ = State::text;
  }
}

std::size_t DataDecoder::feed(std::string_view bytes) {
  std::size_t at = 0;
  while (at < bytes.size() && !done()) {
    if (state_ == State::text || state_ == State::line_start) at += plain_run(bytes.substr(at));
    if (at < bytes.size()) step(bytes[at++]);
  }
  return at;
}

std::shared_ptr<Body> DataDecoder::take() {
  RELAY_ASSERT(done() && !over_);
  body_->append(std::move(segment_));
  return std::move(body_);
}

}  // namespace relay::wire
