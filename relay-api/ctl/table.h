// Table: rows of text as columns for a terminal. Pure.
//
// Widths are those of the terminal's cells, not of bytes: wide and combining characters count as they show.
// When a table is wider than it may be, its flexible columns give way, the widest first, and what is cut ends
// in "…". Control characters, which a hostile host could send to move the cursor, show as "\u{fffd}".
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace relay::ctl {

struct Column {
  std::string title;
  enum class Align { left, right } align = Align::left;
  bool flexible = false;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void add(std::vector<std::string> cells);  // one for each column
  bool empty() const { return rows_.empty(); }
  // Lines with the titles first; `width` in cells, 0 for any.
  std::string render(std::size_t width) const;

 private:
  std::vector<std::size_t> widths(std::size_t width) const;
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

std::size_t display_width(std::string_view text);
std::string safe_text(std::string_view text);  // what a terminal may be given
std::string cut(std::string_view text, std::size_t width);
// The text in lines of at most `width` cells, broken at blanks, each after `indent`.
std::string wrap(std::string_view text, std::size_t width, std::string_view indent = "");

}  // namespace relay::ctl
