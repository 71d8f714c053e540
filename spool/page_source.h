// PageSource: whole pages of an LMDB file, read from the file and never through LMDB's map, so that a bad
// sector or a file cut short is an answer and not a signal.
//
// The descriptor is borrowed. The pages are those of one commit as long as somebody keeps LMDB from using
// them anew (a read transaction). Any thread.
#pragma once
#include <array>
#include <cstddef>
#include <expected>
#include <string>

#include "mta/base/result.h"
#include "spool/page.h"

namespace relay::spool {

struct PageFault {
  std::string what;         // a phrase: "its number is 7"
  bool unreadable = false;  // it could not be read from the file, which may pass
};

class PageSource {
 public:
  PageSource(int descriptor, std::size_t page_bytes, PageNumber last)
      : descriptor_(descriptor), page_bytes_(page_bytes), last_(last) {}
  std::size_t page_bytes() const { return page_bytes_; }
  PageNumber last() const { return last_; }  // in use
  bool has(PageNumber number) const { return number >= 2 && number <= last_; }

  // Fills `to` with whole pages from `number` on.
  std::expected<void, PageFault> read(PageNumber number, std::string& to, std::size_t bytes) const;

 private:
  int descriptor_;
  std::size_t page_bytes_;
  PageNumber last_;
};

// The two meta pages: all that can be told of each, and what its head says (see Meta), or why not.
struct MetaPages {
  std::array<std::expected<Meta, std::string>, 2> whole, heads;
  bool heads_agree() const {
    return heads[0] && heads[1] && heads[0]->page_bytes() == heads[1]->page_bytes();
  }
  // Of the file `path`, if neither of a pair of these can be read.
  static std::unexpected<Error> neither(const std::string& path,
                                        const std::array<std::expected<Meta, std::string>, 2>& metas);
  // The second lies one page in: if the first does not say how large that is, a page of this machine's.
  static MetaPages read(int descriptor);
};

// A leaf's value; if its own pages are damaged, how. Over `most` bytes it is not read. `buffer` takes one
// that is not inside of its leaf.
std::expected<std::string_view, PageFault> read_value(const PageSource& pages, const Page::Value& value,
                                                      std::uint64_t most, std::string& buffer);

}  // namespace relay::spool
