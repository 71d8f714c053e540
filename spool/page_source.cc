#include "spool/page_source.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace relay::spool {

std::expected<void, PageFault> PageSource::read(PageNumber number, std::string& to, std::size_t bytes) const {
  to.resize(bytes);
  std::size_t have = 0;
  while (have < bytes) {
    const ssize_t got =
        ::pread(descriptor_, to.data() + have, bytes - have, static_cast<off_t>(number * page_bytes_ + have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      return std::unexpected(
          PageFault{fmt::format("it cannot be read: {}", std::system_category().message(errno)), true});
    if (got == 0) return std::unexpected(PageFault{"it lies behind the end of the file", true});
    have += static_cast<std::size_t>(got);
  }
  return {};
}

}  // namespace relay::spool
