// What the sink shows of a message's text. Pure.
#pragma once
#include <string>
#include <string_view>

#include "mta/base/body.h"

namespace relay::sink {

// The Subject as it stands in the header section: unfolded (RFC 5322 2.2.3), not decoded; empty if there is
// none. Looks at the first 64 KiB only.
std::string subject_of(const Body& content);

// `text` with U+FFFD for every byte that is no part of well-formed UTF-8 (RFC 3629 4): JSON has no other
// bytes.
std::string utf8(std::string_view text);

}  // namespace relay::sink
