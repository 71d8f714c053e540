// Secret: bytes that must not be logged, compared in variable time, or left in freed memory. It has no
// formatter.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace relay {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  Secret(const Secret&) = default;
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret other) noexcept;
  ~Secret();  // wipes

  // The only way out; the name is easy to search for.
  std::string_view reveal() const { return value_; }
  bool empty() const { return value_.empty(); }

 private:
  std::string value_;
};

using Digest = std::array<std::uint8_t, 32>;

Digest sha256(std::string_view bytes);
bool equal_constant_time(const Digest& a, const Digest& b);
void wipe(std::string& bytes);

}  // namespace relay
