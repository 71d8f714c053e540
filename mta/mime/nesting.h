// How deep a message's MIME parts lie in each other (RFC 2046 5.1, 5.2.1): whoever reads them with a stack of
// bounded depth is not to be given more. Pure.
#pragma once
#include <cstddef>

#include "mta/base/body.h"

namespace relay::mime {

// Whether more than `levels` multiparts, and messages within messages, lie in each other. Takes a pass over
// the content; only where that finds more such parts than `levels` is it looked at line by line, for which it
// is copied.
bool nested_deeper(const Body& content, std::size_t levels);

}  // namespace relay::mime
