// Base 64 (RFC 4648 4) of attachments and of exported mail. Read: line breaks are skipped, as MIME encoders
// put them in; everything else outside the alphabet, wrong padding and stray bits are refused, so that damage
// is not mailed.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace relay::api {

std::optional<std::string> decode_base64(std::string_view text);

// Writes bytes that come in pieces of any length, without line breaks.
class Base64Encoder {
 public:
  explicit Base64Encoder(std::string& out) : out_(out) {}  // which must outlive it
  void add(std::string_view bytes);
  void finish();  // the last group, padded

 private:
  void group(std::uint32_t bits, int digits);
  std::string& out_;
  std::uint32_t held_ = 0;  // bytes that make no whole group yet
  int held_bytes_ = 0;
};
std::string encode_base64(std::string_view bytes);

}  // namespace relay::api
