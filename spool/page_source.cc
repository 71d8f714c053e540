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

std::unexpected<Error> MetaPages::neither(const std::string& path,
                                          const std::array<std::expected<Meta, std::string>, 2>& metas) {
  return fail(Errc::corrupt,
              fmt::format("{} is not an LMDB file, or both of its meta pages are damaged: of the "
                          "first, {}; of the second, {}",
                          path, metas[0].error(), metas[1].error()));
}

MetaPages MetaPages::read(int descriptor) {
  constexpr std::size_t enough = 256;
  MetaPages metas;
  auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  for (std::size_t i = 0; i < 2; ++i) {
    std::array<char, enough> bytes{};
    const ssize_t got = ::pread(descriptor, bytes.data(), bytes.size(), static_cast<off_t>(i * page));
    if (got < 0) {
      metas.whole[i] = metas.heads[i] =
          std::unexpected(fmt::format("it cannot be read: {}", std::system_category().message(errno)));
      continue;
    }
    const std::string_view start(bytes.data(), static_cast<std::size_t>(got));
    metas.whole[i] = Meta::parse(start);
    metas.heads[i] = Meta::parse_head(start);
    if (i == 0 && metas.heads[0]) page = metas.heads[0]->page_bytes();
  }
  return metas;
}

std::expected<std::string_view, PageFault> read_value(const PageSource& pages, const Page::Value& value,
                                                      std::uint64_t most, std::string& buffer) {
  if (value.bytes > most) return std::unexpected(PageFault{fmt::format("it is {} bytes long", value.bytes)});
  if (!value.big) return value.inside;
  if (!pages.has(value.first))
    return std::unexpected(
        PageFault{fmt::format("it is said to be on page {}, which does not exist", value.first)});
  const auto damaged = [&](const std::string& what, bool unreadable) {
    return std::unexpected(
        PageFault{fmt::format("its page {} is damaged: {}", value.first, what), unreadable});
  };
  const std::uint64_t count = overflow_pages_for(value.bytes, pages.page_bytes());
  if (auto read = pages.read(value.first, buffer, count * pages.page_bytes()); !read)
    return damaged(read.error().what, true);
  if (const auto fault = overflow_fault(buffer, value.first, count)) return damaged(*fault, false);
  return std::string_view(buffer).substr(page_header_bytes, value.bytes);
}

}  // namespace relay::spool
