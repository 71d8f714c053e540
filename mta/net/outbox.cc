#include "mta/net/outbox.h"

#include <algorithm>
#include <utility>

namespace relay::net {

std::string_view Outbox::view(const wire::Output::Segment& segment) {
  if (const auto* text = std::get_if<std::string>(&segment)) return *text;
  return std::get<wire::Output::Slice>(segment).bytes;
}

void Outbox::take(wire::Output& output) {
  if (output.empty()) return;
  if (next_ > 32 && next_ * 2 > segments_.size()) {  // a peer that never lets it become empty
    segments_.erase(segments_.begin(), segments_.begin() + static_cast<std::ptrdiff_t>(next_));
    next_ = 0;
  }
  for (auto& segment : output.take()) {
    if (view(segment).empty()) continue;
    if (const auto* text = std::get_if<std::string>(&segment)) owned_bytes_ += text->size();
    segments_.push_back(std::move(segment));
  }
}

void Outbox::append(std::string text) {
  if (text.empty()) return;
  owned_bytes_ += text.size();
  segments_.emplace_back(std::move(text));
}

std::size_t Outbox::gather(std::span<iovec> vectors) const {
  std::size_t count = 0;
  std::size_t skip = offset_;
  for (std::size_t i = next_; i < segments_.size() && count < vectors.size(); ++i) {
    const std::string_view bytes = view(segments_[i]).substr(std::exchange(skip, 0));
    vectors[count++] = {const_cast<char*>(bytes.data()), bytes.size()};  // writev takes no const
  }
  return count;
}

void Outbox::consume(std::size_t bytes) {
  while (bytes > 0) {
    const std::size_t left = view(segments_[next_]).size() - offset_;
    if (bytes < left) {
      offset_ += bytes;
      return;
    }
    bytes -= left;
    drop_first();
  }
}

void Outbox::move_to(std::string& to, std::size_t limit) {
  while (limit > 0 && !empty()) {
    const std::string_view part = view(segments_[next_]).substr(offset_, limit);
    to += part;
    limit -= part.size();
    consume(part.size());
  }
}

void Outbox::drop_first() {
  auto& segment = segments_[next_];
  if (const auto* text = std::get_if<std::string>(&segment)) owned_bytes_ -= text->size();
  segment = std::string();  // lets go of the body
  offset_ = 0;
  if (++next_ == segments_.size()) {
    segments_.clear();
    next_ = 0;
  }
}

void Outbox::clear() {
  segments_.clear();
  next_ = offset_ = owned_bytes_ = 0;
}

}  // namespace relay::net
