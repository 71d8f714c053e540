#include "mta/wire/dialog.h"

#include <utility>

namespace relay::wire {

std::string_view Output::view(const Segment& segment) {
  if (const auto* text = std::get_if<std::string>(&segment)) return *text;
  if (const auto* secret = std::get_if<Secret>(&segment)) return secret->reveal();
  return std::get<Slice>(segment).bytes;
}

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

void Output::append(Secret secret) {
  if (secret.empty()) return;
  bytes_ += secret.reveal().size();
  segments_.emplace_back(std::move(secret));
}

void Output::append(Output&& other) {
  bytes_ += other.bytes_;
  for (Segment& segment : other.take()) segments_.push_back(std::move(segment));
}

std::deque<Output::Segment> Output::take() {
  bytes_ = 0;
  return std::exchange(segments_, {});
}

std::string Output::take_text() {
  std::string all;
  all.reserve(bytes());
  for (const Segment& segment : take()) all += view(segment);
  return all;
}

}  // namespace relay::wire
