// Body: a whole message (header section and body) as bytes, in segments, shared read-only between threads.
//
// Built once by its writer, then held as BodyPtr. It has no formatter and no operator<<, so that it cannot be
// logged by accident. Lines end in CRLF; it is not dot-stuffed.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace relay {

class Body {
 public:
  Body() = default;
  explicit Body(std::string all) { append(std::move(all)); }
  Body(Body&&) = default;
  Body& operator=(Body&&) = default;
  Body(const Body&) = delete;
  Body& operator=(const Body&) = delete;

  void append(std::string segment) {
    size_ += segment.size();
    if (!segment.empty()) segments_.push_back(std::move(segment));
  }
  void prepend(std::string segment) {
    size_ += segment.size();
    if (!segment.empty()) segments_.insert(segments_.begin(), std::move(segment));
  }
  // Takes so many bytes away from the beginning and puts others there.
  void replace_beginning(std::uint64_t bytes, std::string with) {
    auto first = segments_.begin();
    for (; first != segments_.end() && bytes >= first->size(); ++first) {
      bytes -= first->size();
      size_ -= first->size();
    }
    segments_.erase(segments_.begin(), first);
    if (!segments_.empty()) {
      segments_.front().erase(0, bytes);
      size_ -= bytes;
    }
    prepend(std::move(with));
  }
  const std::vector<std::string>& segments() const { return segments_; }
  std::uint64_t size() const { return size_; }
  std::string flatten() const {
    std::string all;
    all.reserve(size_);
    for (const auto& s : segments_) all += s;
    return all;
  }

 private:
  std::vector<std::string> segments_;
  std::uint64_t size_ = 0;
};

using BodyPtr = std::shared_ptr<const Body>;

}  // namespace relay
