#include "mta/wire/dialog.h"

#include <utility>

namespace relay::wire {

void Output::append(std::string_view text) {
  if (text.empty()) return;
  bytes_ += text.size();
  if (!segments_.empty()) {
    if (auto* last = std::get_if<std::string>(&segments_.back())) {
      *last += text;
      return;
    }
  }
  segments_.emplace_back(std::string(text));
}

void Output::append(BodyPtr body, std::string_view range) {
  if (range.empty()) return;
  bytes_ += range.size();
  segments_.emplace_back(Slice{std::move(body), range});
}

std::deque<Output::Segment> Output::take() {
  bytes_ = 0;
  return std::exchange(segments_, {});
}

std::string Output::take_text() {
  std::string all;
  all.reserve(bytes());
  for (const Segment& segment : take()) {
    if (const auto* text = std::get_if<std::string>(&segment)) {
      all += *text;
    } else {
      all += std::get<Slice>(segment).bytes;
    }
  }
  return all;
}

}  // namespace relay::wire
