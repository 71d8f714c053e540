// Descriptors: whether the process may have as many open as its configuration can need, and what gives way if
// not. Pure.
//
// Each connection is one. What there is no descriptor for would fail anywhere: in a look-up, in the spool, in
// a delivery. So the listeners' limits give way at the start, and the rest always finds one.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

namespace relay {

struct DescriptorNeeds {
  std::uint32_t submission = 0, http = 0;  // connections, of all loops
  std::uint32_t delivery = 0;              // the same
  std::uint32_t inbound = 0;               // the same; few, so that they do not give way
  std::uint32_t listeners = 0;             // each with its spare one, on every loop
  std::uint32_t loops = 1;
  // The spool's files, the log, standard files, signals, a backup under way, the administrator's connections.
  std::uint32_t reserve = 64;
  // Each loop's own, and its resolver's queries, which take one each for moments.
  std::uint32_t per_loop = 64;
};

struct DescriptorPlan {
  std::uint32_t submission = 0, http = 0;  // as many as there is room for
  std::optional<std::string> warning;      // a sentence for the log, if that is less than wanted
};

DescriptorPlan plan_descriptors(std::uint64_t limit, const DescriptorNeeds& needs);

}  // namespace relay
