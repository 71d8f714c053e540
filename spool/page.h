// Page: one page of an LMDB file (format of 0.9, 64 bit), looked at without trust.
//
// LMDB takes every page it meets for sound; a damaged one makes it go astray or crash. Whoever looks for
// damage, or saves what is left, reads through Page: parse() checks everything that can be told from one page
// (its number, kind, the bounds of every node), and only then are its nodes shown, so that nothing in a file
// can lead a reader outside of the page. What it shows points into the bytes given. Pure; any thread.
#pragma once
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace relay::spool {

using PageNumber = std::uint64_t;
inline constexpr PageNumber no_page = ~PageNumber{0};  // the root of an empty tree
inline constexpr std::size_t page_header_bytes = 16;

// What LMDB keeps of a tree: its root, and counts that must agree with it.
struct TreeRoot {
  std::uint32_t page_bytes = 0;  // of the list of free pages alone; 0 elsewhere
  std::uint16_t flags = 0;
  std::uint16_t depth = 0;
  std::uint64_t branch_pages = 0, leaf_pages = 0, overflow_pages = 0;
  std::uint64_t entries = 0;
  PageNumber root = no_page;

  bool empty() const { return root == no_page; }
  std::uint64_t pages() const { return branch_pages + leaf_pages + overflow_pages; }
  static constexpr std::size_t bytes = 48;
  static std::optional<TreeRoot> parse(std::string_view from);  // `bytes` of them
};

// One of the two meta pages: a commit, and where its trees are.
struct Meta {
  std::uint64_t commit = 0;
  std::uint64_t map_bytes = 0;
  PageNumber last = 0;  // the last page in use; the file may be longer, or end earlier with free pages
  TreeRoot free, main;

  std::uint32_t page_bytes() const { return free.page_bytes; }
  static std::expected<Meta, std::string> parse(std::string_view bytes);
  // All but where its trees are. The number of the commit is its last field, and makes it count: half of a
  // meta page that was being written still has the number of the commit it was for before, so it is the older
  // of the two, and that what lies before the number makes no sense harms nothing.
  static std::expected<Meta, std::string> parse_head(std::string_view bytes);
};

// Pages that a value of so many bytes takes when it does not fit into a leaf.
inline std::uint64_t overflow_pages_for(std::uint64_t bytes, std::size_t page_bytes) {
  return (page_header_bytes - 1 + bytes) / page_bytes + 1;
}
// Whether `bytes` begin an overflow page of this number and length. Says what is wrong, or nothing.
std::optional<std::string> overflow_fault(std::string_view bytes, PageNumber number, std::uint64_t pages);

// The same of the page's first 16 bytes in LMDB's memory, where only one that has not been changed need have
// its number.
bool sound_overflow_head(std::string_view head, std::optional<PageNumber> number, std::uint64_t pages);

class Page {
 public:
  // Of a leaf's node: a value inside the page, or on overflow pages of its own.
  struct Value {
    std::string_view inside;
    bool tree = false;  // `inside` is a TreeRoot: a table
    bool big = false;
    std::uint64_t bytes = 0;  // of the value, wherever it is
    PageNumber first = 0;     // of a big one
  };

  // The faults are phrases: "its number is 7".
  static std::expected<Page, std::string> parse(std::string_view bytes, PageNumber number);
  bool leaf() const { return leaf_; }
  std::size_t size() const { return size_; }
  std::string_view key(std::size_t at) const;  // of a branch's first node: empty
  PageNumber child(std::size_t at) const;      // of a branch
  Value value(std::size_t at) const;           // of a leaf

 private:
  std::size_t offset(std::size_t at) const;
  std::optional<std::string> node_fault(std::size_t at) const;
  std::string_view bytes_;
  bool leaf_ = false;
  std::size_t size_ = 0;
};

// Which child of a branch, whose keys are in order, leads to `key`; `less` compares keys.
template <class Less>
std::size_t child_for(const Page& branch, std::string_view key, Less less) {
  std::size_t low = 1, high = branch.size();
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (less(key, branch.key(middle)))
      high = middle;
    else
      low = middle + 1;
  }
  return low - 1;
}

}  // namespace relay::spool
