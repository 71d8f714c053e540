#include "mta/net/outbox.h"

#include <algorithm>
#include <utility>

namespace relay::net {

namespace {

constexpr auto view = wire::Output::view;

std::size_t owned(const wire::Output::Segment& segment) {
  return std::holds_alternative<wire::Output::Slice>(segment) ? 0 : view(segment).size();
}

}  // namespace

void Outbox::take(wire::Output& output) {
  if (output.empty()) return;
  if (next_ > 32 && next_ * 2 > segments_.size()) {  // a peer that never lets it become empty
    segments_.erase(segments_.begin(), segments_.begin() + static_cast<std::ptrdiff_t>(next_));
    next_ = 0;
  }
  for (auto& segment : output.take()) {
    if (view(segment).empty()) continue;
    owned_bytes_ += owned(segment);
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
  while (limit > 0 && !empty() && front_secret().empty()) {
    const std::string_view part = view(segments_[next_]).substr(offset_, limit);
    to += part;
    limit -= part.size();
    consume(part.size());
  }
}

std::string_view Outbox::front_secret() const {
  if (empty() || !std::holds_alternative<Secret>(segments_[next_])) return {};
  return view(segments_[next_]).substr(offset_);
}

void Outbox::drop_first() {
  auto& segment = segments_[next_];
  owned_bytes_ -= owned(segment);
  segment = std::string();  // lets go of the body, wipes the secret
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
