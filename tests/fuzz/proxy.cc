// A balancer's header, whole and byte by byte: what is known of a part stays true of the whole.
#include "mta/wire/proxy_header.h"

#include "tests/fuzz/input.h"

using namespace relay;
using namespace relay::wire;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::string_view bytes = input.rest();
  const auto whole = parse_proxy_header(bytes);
  if (whole && *whole) fuzz::promise((*whole)->bytes <= bytes.size());
  for (std::size_t n = 0; n <= bytes.size(); ++n) {
    const auto part = parse_proxy_header(bytes.substr(0, n));
    if (!part) return fuzz::promise(!whole), 0;
    if (*part) {
      fuzz::promise(whole && *whole && (*whole)->bytes == (*part)->bytes);
      return 0;
    }
    fuzz::promise(n <= proxy_header_bytes);
  }
  return 0;
}
