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
