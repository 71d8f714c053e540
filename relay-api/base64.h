// Base 64 (RFC 4648 4) of attachments. Line breaks are skipped, as MIME encoders put them in; everything else
// outside the alphabet, wrong padding and stray bits are refused, so that damage is not mailed.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace relay::api {

std::optional<std::string> decode_base64(std::string_view text);

}  // namespace relay::api
