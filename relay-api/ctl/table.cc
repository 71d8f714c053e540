#include "relay-api/ctl/table.h"

#include <algorithm>
#include <memory>

#include "mta/base/result.h"
#include "relay-api/utf8.h"

namespace relay::ctl {
namespace {

constexpr std::size_t gap = 2;        // between columns
constexpr std::size_t narrowest = 8;  // of a flexible column: less says nothing

// Directional marks reorder what stands around them on the screen.
bool is_unsafe(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c <= 0x9f) || (c >= 0x202a && c <= 0x202e) ||
         (c >= 0x2066 && c <= 0x2069) || c == 0x200e || c == 0x200f || c == 0x2028 || c == 0x2029;
}

bool in(char32_t c, char32_t first, char32_t last) { return c >= first && c <= last; }

// Cells of one character, by the blocks of Unicode that terminals show without advance or in two cells.
std::size_t cells(char32_t c) {
  const bool combining = in(c, 0x300, 0x36f) || in(c, 0x483, 0x489) || in(c, 0x591, 0x5bd) ||
                         in(c, 0x610, 0x61a) || in(c, 0x64b, 0x65f) || in(c, 0x93c, 0x93c) ||
                         in(c, 0x941, 0x948) || c == 0x94d || in(c, 0xe34, 0xe3a) || in(c, 0xe47, 0xe4e) ||
                         in(c, 0x1ab0, 0x1aff) || in(c, 0x1dc0, 0x1dff) || in(c, 0x200b, 0x200d) ||
                         in(c, 0x20d0, 0x20ff) || in(c, 0xfe00, 0xfe0f) || in(c, 0xfe20, 0xfe2f) ||
                         c == 0xfeff || in(c, 0xe0100, 0xe01ef);
  if (combining) return 0;
  const bool wide = in(c, 0x1100, 0x115f) || in(c, 0x2e80, 0x303e) || in(c, 0x3041, 0x33ff) ||
                    in(c, 0x3400, 0x4dbf) || in(c, 0x4e00, 0x9fff) || in(c, 0xa000, 0xa4cf) ||
                    in(c, 0xac00, 0xd7a3) || in(c, 0xf900, 0xfaff) || in(c, 0xfe30, 0xfe6f) ||
                    in(c, 0xff00, 0xff60) || in(c, 0xffe0, 0xffe6) || in(c, 0x1f300, 0x1f64f) ||
                    in(c, 0x1f680, 0x1f6ff) || in(c, 0x1f900, 0x1f9ff) || in(c, 0x20000, 0x3fffd);
  return wide ? 2 : 1;
}

std::string padded(std::string_view text, std::size_t width, Column::Align align) {
  const std::string shown = cut(text, width);
  const std::size_t missing = width - display_width(shown);
  return align == Column::Align::right ? std::string(missing, ' ') + shown
                                       : shown + std::string(missing, ' ');
}

}  // namespace

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    const auto next = api::first_code_point(text);
    width += cells(next.value);
    text.remove_prefix(next.bytes);
  }
  return width;
}

std::string safe_text(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto next = api::first_code_point(text);
    const bool broken = next.value == 0xfffd && next.bytes == 1;
    if (broken || is_unsafe(next.value))
      out += "\xef\xbf\xbd";
    else
      out += text.substr(0, next.bytes);
    text.remove_prefix(next.bytes);
  }
  return out;
}

std::string cut(std::string_view text, std::size_t width) {
  if (display_width(text) <= width) return std::string(text);
  if (width == 0) return {};
  std::string out;
  std::size_t used = 1;  // the ellipsis
  while (!text.empty()) {
    const auto next = api::first_code_point(text);
    used += cells(next.value);
    if (used > width) break;
    out += text.substr(0, next.bytes);
    text.remove_prefix(next.bytes);
  }
  return out + "…";
}

std::string wrap(std::string_view text, std::size_t width, std::string_view indent) {
  const std::string safe = safe_text(text);
  std::string_view rest = safe;
  const std::size_t room =
      width == 0 ? std::string::npos : std::max(width, indent.size() + 20) - indent.size();
  std::string out, line;
  std::size_t used = 0;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(' '), rest.size());
    const std::string_view word = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const std::size_t cells_of_word = display_width(word);
    if (!line.empty() && used + 1 + cells_of_word > room) {
      out.append(indent).append(line).append("\n");
      line.clear();
      used = 0;
    }
    if (!line.empty()) {
      line += ' ';
      ++used;
    }
    line += word;
    used += cells_of_word;
  }
  return out.append(indent).append(line).append("\n");
}

void Table::add(std::vector<std::string> cells_of_row) {
  RELAY_ASSERT(cells_of_row.size() == columns_.size());
  for (std::string& cell : cells_of_row) cell = safe_text(cell);
  rows_.push_back(std::move(cells_of_row));
}

std::vector<std::size_t> Table::widths(std::size_t width) const {
  std::vector<std::size_t> all;
  std::size_t total = 0;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t widest = display_width(columns_[i].title);
    for (const auto& row : rows_) widest = std::max(widest, display_width(row[i]));
    all.push_back(widest);
    total += widest + (i != 0 ? gap : 0);
  }
  while (width != 0 && total > width) {
    std::size_t* widest = nullptr;
    for (std::size_t i = 0; i < all.size(); ++i)
      if (columns_[i].flexible && all[i] > narrowest && (widest == nullptr || all[i] > *widest))
        widest = &all[i];
    if (widest == nullptr) break;  // it cannot be narrower: the terminal wraps
    --*widest;
    --total;
  }
  return all;
}

std::string Table::render(std::size_t width) const {
  const auto fitted = widths(width);
  std::string out;
  const auto put = [&](const auto& text_of) {
    std::string line;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (i != 0) line.append(gap, ' ');
      line += padded(text_of(i), fitted[i], columns_[i].align);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  };
  put([&](std::size_t i) -> std::string_view { return columns_[i].title; });
  for (const auto& row : rows_) put([&](std::size_t i) -> std::string_view { return row[i]; });
  return out;
}

}  // namespace relay::ctl
