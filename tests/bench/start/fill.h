// A spool full of mail that waits.
#pragma once
#include <cstdint>
#include <string>

namespace relay::bench {

struct Fill {
  std::string directory;
  std::uint64_t recipients = 1'000'000;
  std::uint32_t per_message = 2;
  std::uint32_t domains = 20'000;  // without a route: each is a destination of its own
  std::uint64_t due = 10'000;      // of them due now, at the sink
  std::uint64_t dead = 0;          // of them due now, all at one destination that is down
  std::uint32_t body_bytes = 1000;
  bool deliver = false;  // all of it in the end, so that the queue is empty and the file has its history
};
void fill(const Fill& how);

}  // namespace relay::bench
