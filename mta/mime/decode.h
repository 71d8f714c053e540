// The value of a header field as people read it: for lists, summaries and logs, never for delivery. Pure.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace relay::mime {

// Unfolded, encoded-words decoded (RFC 2047), in valid UTF-8 on one line without control characters, at most
// `limit` bytes, cut between two characters. Any input is legal; bytes over 127 that are not UTF-8 are read
// as ISO 8859-1.
std::string decode_value(std::string_view raw, std::size_t limit);

}  // namespace relay::mime
