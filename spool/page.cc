#include "spool/page.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>

namespace relay::spool {
namespace {

// LMDB writes numbers as the machine has them, and the spool's records are little-endian; so is every machine
// this runs on.
static_assert(std::endian::native == std::endian::little && sizeof(void*) == 8);

enum PageFlags : std::uint16_t {
  branch_page = 0x01,
  leaf_page = 0x02,
  overflow_page = 0x04,
  meta_page = 0x08
};
enum NodeFlags : std::uint16_t { big_data = 0x01, sub_tree = 0x02 };

constexpr std::uint32_t magic = 0xBEEFC0DE;
constexpr std::uint32_t data_version = 1;
constexpr std::size_t tree_bytes = TreeRoot::bytes;
constexpr std::size_t node_header_bytes = 8;

template <class Number>
Number at(std::string_view bytes, std::size_t offset) {
  Number value{};
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

}  // namespace

std::optional<TreeRoot> TreeRoot::parse(std::string_view from) {
  if (from.size() != TreeRoot::bytes) return std::nullopt;
  TreeRoot tree;
  tree.page_bytes = at<std::uint32_t>(from, 0);
  tree.flags = at<std::uint16_t>(from, 4);
  tree.depth = at<std::uint16_t>(from, 6);
  tree.branch_pages = at<std::uint64_t>(from, 8);
  tree.leaf_pages = at<std::uint64_t>(from, 16);
  tree.overflow_pages = at<std::uint64_t>(from, 24);
  tree.entries = at<std::uint64_t>(from, 32);
  tree.root = at<std::uint64_t>(from, 40);
  return tree;
}

std::expected<Meta, std::string> Meta::parse(std::string_view bytes) {
  auto found = parse_head(bytes);
  if (!found) return found;
  for (const TreeRoot* tree : {&found->free, &found->main})
    if (!tree->empty() && (tree->root < 2 || tree->root > found->last))
      return std::unexpected("it names a root outside of the file");
  return found;
}

std::expected<Meta, std::string> Meta::parse_head(std::string_view bytes) {
  constexpr std::size_t trees = page_header_bytes + 24;
  constexpr std::size_t end = trees + 2 * tree_bytes + 16;
  constexpr std::uint32_t smallest_page = 512, largest_page = 65536;
  if (bytes.size() < end) return std::unexpected("the file ends in it");
  if ((at<std::uint16_t>(bytes, 10) & meta_page) == 0) return std::unexpected("it is not marked as one");
  if (at<std::uint32_t>(bytes, page_header_bytes) != magic) return std::unexpected("its mark is not LMDB's");
  if (const auto version = at<std::uint32_t>(bytes, page_header_bytes + 4); version != data_version)
    return std::unexpected(fmt::format("its LMDB format is {}, not {}", version, data_version));
  Meta found;
  found.map_bytes = at<std::uint64_t>(bytes, page_header_bytes + 16);
  found.free = *TreeRoot::parse(bytes.substr(trees, tree_bytes));
  found.main = *TreeRoot::parse(bytes.substr(trees + tree_bytes, tree_bytes));
  found.last = at<std::uint64_t>(bytes, trees + 2 * tree_bytes);
  found.commit = at<std::uint64_t>(bytes, trees + 2 * tree_bytes + 8);
  const std::uint32_t page = found.page_bytes();
  if (!std::has_single_bit(page) || page < smallest_page || page > largest_page)
    return std::unexpected(fmt::format("it names a page size of {}", page));
  return found;
}

std::optional<std::string> overflow_fault(std::string_view bytes, PageNumber number, std::uint64_t pages) {
  if (at<std::uint64_t>(bytes, 0) != number)
    return fmt::format("its number is {}", at<std::uint64_t>(bytes, 0));
  if (at<std::uint16_t>(bytes, 10) != overflow_page) return "it is not marked as a value's page";
  if (at<std::uint32_t>(bytes, 12) != pages)
    return fmt::format("it says that its value takes {} pages, and not {}", at<std::uint32_t>(bytes, 12),
                       pages);
  return std::nullopt;
}

bool sound_overflow_head(std::string_view head, std::optional<PageNumber> number, std::uint64_t pages) {
  constexpr std::uint16_t dirty = 0x10;  // in the writer's memory
  if (number && at<std::uint64_t>(head, 0) != *number) return false;
  return (at<std::uint16_t>(head, 10) & ~dirty) == overflow_page && at<std::uint32_t>(head, 12) == pages;
}

std::expected<Page, std::string> Page::parse(std::string_view bytes, PageNumber number) {
  if (at<std::uint64_t>(bytes, 0) != number)
    return std::unexpected(fmt::format("its number is {}", at<std::uint64_t>(bytes, 0)));
  const auto flags = at<std::uint16_t>(bytes, 10);
  if (flags != branch_page && flags != leaf_page)
    return std::unexpected("it is not marked as a page of a table");
  Page page;
  page.bytes_ = bytes;
  page.leaf_ = flags == leaf_page;
  const std::size_t lower = at<std::uint16_t>(bytes, 12);
  const std::size_t upper = at<std::uint16_t>(bytes, 14);
  if (lower < page_header_bytes || lower % 2 != 0 || lower > upper || upper > bytes.size())
    return std::unexpected("the bounds of its free space are impossible");
  page.size_ = (lower - page_header_bytes) / 2;
  if (page.size_ == 0) return std::unexpected("it is empty");
  for (std::size_t i = 0; i < page.size_; ++i) {
    if (page.offset(i) < upper || page.offset(i) + node_header_bytes > bytes.size())
      return std::unexpected(fmt::format("its entry {} lies outside of it", i));
    if (auto fault = page.node_fault(i)) return std::unexpected(std::move(*fault));
  }
  return page;
}

std::size_t Page::offset(std::size_t i) const { return at<std::uint16_t>(bytes_, page_header_bytes + 2 * i); }

std::optional<std::string> Page::node_fault(std::size_t i) const {
  const std::size_t node = offset(i);
  const std::size_t key_end = node + node_header_bytes + at<std::uint16_t>(bytes_, node + 6);
  if (key_end > bytes_.size()) return fmt::format("the key of its entry {} does not end in it", i);
  if (!leaf_) return std::nullopt;
  const auto flags = at<std::uint16_t>(bytes_, node + 4);
  const std::size_t size = at<std::uint32_t>(bytes_, node);
  if ((flags & ~(big_data | sub_tree)) != 0 || flags == (big_data | sub_tree))
    return fmt::format("its entry {} is of no known kind", i);
  const std::size_t inside = (flags & big_data) != 0 ? sizeof(PageNumber) : size;
  if (inside > bytes_.size() - key_end) return fmt::format("the value of its entry {} does not end in it", i);
  return std::nullopt;
}

std::string_view Page::key(std::size_t i) const {
  const std::size_t node = offset(i);
  if (!leaf_ && i == 0) return {};
  return bytes_.substr(node + node_header_bytes, at<std::uint16_t>(bytes_, node + 6));
}

PageNumber Page::child(std::size_t i) const {
  const std::size_t node = offset(i);
  return PageNumber{at<std::uint32_t>(bytes_, node)} | PageNumber{at<std::uint16_t>(bytes_, node + 4)} << 32;
}

Page::Value Page::value(std::size_t i) const {
  const std::size_t node = offset(i);
  const auto flags = at<std::uint16_t>(bytes_, node + 4);
  const std::size_t start = node + node_header_bytes + at<std::uint16_t>(bytes_, node + 6);
  Value value;
  value.bytes = at<std::uint32_t>(bytes_, node);
  value.big = (flags & big_data) != 0;
  value.tree = (flags & sub_tree) != 0;
  if (value.big)
    value.first = at<std::uint64_t>(bytes_, start);
  else
    value.inside = bytes_.substr(start, value.bytes);
  return value;
}

}  // namespace relay::spool
