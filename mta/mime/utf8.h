// UTF-8 as header fields need it: checked, repaired, cut. Pure.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "mta/base/utf8.h"

namespace relay::mime {

bool ascii(std::string_view text);  // bytes under 128 only
// C0 controls and DEL.
inline bool control(char c) { return static_cast<unsigned char>(c) < 32 || c == 127; }
// The longest prefix of at most `limit` bytes that ends between two characters.
std::string_view cut_utf8(std::string_view text, std::size_t limit);
// One line fit to be shown: malformed bytes become U+FFFD, runs of controls and blanks one blank, none at the
// ends.
std::string clean_line(std::string_view text);

}  // namespace relay::mime
