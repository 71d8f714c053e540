// Attributes: what an SMTP client says of a message in X-Relay-* header fields, as others say it in JSON.
// Pure.
//
// The fields are for the relay alone and are taken out of the content; the rest stays byte for byte. Names
// are taken in any case, folded values unfolded (RFC 5322 2.2.3), encoded words decoded (RFC 2047). Nothing
// is lost in silence: an unknown name, a wrong value, or a field that is given twice and says one thing only
// refuses the message. relay-api(7) is the manual.
#pragma once
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "mta/base/body.h"
#include "mta/base/clock.h"
#include "spool/types.h"

namespace relay::intake {

struct AttributeLimits {
  std::uint32_t tags = 50;        // a message; they are for grouping, not for storage
  std::uint32_t tag_bytes = 128;  // one; the same
  std::uint32_t metadata = 50;    // entries of a message; they are for looking it up
  std::uint32_t metadata_name_bytes = 64;
  std::uint32_t metadata_value_bytes = 1024;  // one; all together stay in the message's record
};

struct Attributes {
  std::vector<std::string> tags;
  std::vector<spool::Metadata> metadata;  // names in lower case, as clients change the case of field names
  std::optional<spool::Stream> stream;
  std::optional<bool> sandbox;
  std::string idempotency_key;  // empty: none
  std::optional<WallTime> scheduled;
};

inline constexpr std::string_view attribute_prefix = "X-Relay-";

// `header_bytes`: the content's header section, as wire::scan_headers() has found it whole. The error is a
// sentence that names the field and what would be right; the content is then as it was.
std::expected<Attributes, std::string> take_attributes(Body& content, std::size_t header_bytes,
                                                       const AttributeLimits& limits);

}  // namespace relay::intake
