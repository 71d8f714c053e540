// Ways to damage a closed spool: records through LMDB, pages and bytes in the file itself.
#pragma once
#include <fcntl.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <vector>

#include "spool/file.h"
#include "spool/lmdb_env.h"
#include "spool/page_source.h"
#include "spool/records.h"
#include "tests/unit/spool/support.h"

namespace relay::spool::test {

constexpr std::size_t page_bytes = 4096;

// Lets `change` loose on a table with a cursor on its first row.
inline void edit_cursor(const TempDir& directory, Table table, const std::function<void(Cursor&)>& change) {
  const auto environment = must(Environment::open(settings(directory)));
  auto txn = must(Txn::begin_write(*environment));
  {
    auto cursor = must(Cursor::open(txn, table));
    REQUIRE(must(cursor.first()));
    change(cursor);
  }
  must(txn.commit());
}

inline void edit_row(const TempDir& directory, Table table, std::size_t row,
                     const std::function<void(std::string&)>& change) {
  edit_cursor(directory, table, [&](Cursor& cursor) {
    for (std::size_t i = 0; i < row; ++i) REQUIRE(must(cursor.next()));
    const std::string key(cursor.key());
    std::string value(must(cursor.value()));
    change(value);
    must(cursor.put(key, value));
  });
}

inline void flip_last(std::string& value) { value.back() = static_cast<char>(value.back() ^ 0x20); }

// data.mdb, page by page, with the roots of the newest commit.
class RawFile {
 public:
  explicit RawFile(const TempDir& directory)
      : file_(::open((directory.spool() + "/data.mdb").c_str(), O_RDWR | O_CLOEXEC)) {
    REQUIRE(file_.get() >= 0);
    for (const PageNumber n : {0u, 1u}) {
      const std::string bytes = read(n);
      const Meta meta = Meta::parse(bytes).value();
      if (n == 0 || meta.commit > meta_.commit) meta_ = meta;
    }
    const Page main = page(meta_.main.root, bytes_);
    for (std::size_t i = 0; i < main.size(); ++i)
      for (const Table table : all_tables)
        if (main.key(i) == name(table))
          roots_[static_cast<std::size_t>(table)] = *TreeRoot::parse(main.value(i).inside);
  }
  const Meta& meta() const { return meta_; }
  TreeRoot root(Table table) const { return roots_[static_cast<std::size_t>(table)]; }

  std::string read(PageNumber number) const {
    std::string bytes(page_bytes, '\0');
    REQUIRE(::pread(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(number * page_bytes)) ==
            page_bytes);
    return bytes;
  }
  void write(PageNumber number, const std::string& bytes) const {
    REQUIRE(::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(number * page_bytes)) ==
            static_cast<ssize_t>(bytes.size()));
  }
  std::vector<PageNumber> leaves(Table table) const {
    std::vector<PageNumber> found;
    if (!root(table).empty()) collect(root(table).root, found);
    return found;
  }
  std::vector<std::string> rows(PageNumber leaf) const {
    std::string bytes;
    const Page found = page(leaf, bytes);
    std::vector<std::string> keys;
    for (std::size_t i = 0; i < found.size(); ++i) keys.emplace_back(found.key(i));
    return keys;
  }
  // Of values that have pages of their own.
  std::vector<PageNumber> value_pages(Table table) const {
    std::vector<PageNumber> found;
    for (const PageNumber leaf : leaves(table)) {
      std::string bytes;
      const Page rows = page(leaf, bytes);
      for (std::size_t i = 0; i < rows.size(); ++i)
        if (rows.value(i).big) found.push_back(rows.value(i).first);
    }
    return found;
  }

 private:
  Page page(PageNumber number, std::string& bytes) const {
    bytes = read(number);
    return Page::parse(bytes, number).value();
  }
  void collect(PageNumber number, std::vector<PageNumber>& leaves) const {
    std::string bytes;
    const Page found = page(number, bytes);
    if (found.leaf()) return leaves.push_back(number);
    for (std::size_t i = 0; i < found.size(); ++i) collect(found.child(i), leaves);
  }

  File file_;
  Meta meta_;
  std::string bytes_;
  std::array<TreeRoot, table_numbers> roots_{};
};

}  // namespace relay::spool::test
