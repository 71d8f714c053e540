#include "mta/mime/field.h"

#include <algorithm>
#include <array>
#include <vector>

#include "mta/mime/utf8.h"

namespace relay::mime {
namespace {

constexpr std::size_t fold_at = 76;  // RFC 2047 2: lines with encoded-words are no longer
constexpr std::size_t long_word =
    200;  // without a blank; longer text is encoded, as encoded-words can be folded
constexpr std::string_view open_q = "=?UTF-8?Q?", open_b = "=?UTF-8?B?", shut = "?=";

bool alnum(char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }
// RFC 2047 5 (3): what stands for itself even in a phrase.
bool q_safe(char c) { return alnum(c) || std::string_view("!*+-/").contains(c); }
// RFC 5322 3.2.3, and the dot, which phrases do not have.
bool atext(char c) { return alnum(c) || std::string_view("!#$%&'*+-/=?^_`{|}~").contains(c); }

// Builds one field, line by line.
class Folder {
 public:
  explicit Folder(std::string_view name) : out_(name) { out_ += ':'; }

  // A word that may not be broken, after `blanks`, at which the line may be folded.
  void word(std::string_view blanks, std::string_view bytes) {
    if (!fresh_ && column() + blanks.size() + bytes.size() > fold_at) fold();
    out_ += blanks;
    out_ += bytes;
    fresh_ = false;
  }
  std::size_t room() const { return fold_at > column() ? fold_at - column() : 0; }
  bool fresh() const { return fresh_; }
  void fold() {
    out_ += "\r\n";
    line_ = out_.size();
    fresh_ = true;
  }
  std::string finish() && { return std::move(out_) + "\r\n"; }

 private:
  std::size_t column() const { return out_.size() - line_; }
  std::string out_;
  std::size_t line_ = 0;
  bool fresh_ = true;  // nothing on this line yet but the name: folding here would make an empty line
};

std::string q_encode(std::string_view bytes) {
  constexpr std::string_view hex = "0123456789ABCDEF";
  std::string out;
  for (const char c : bytes) {
    const auto octet = static_cast<unsigned char>(c);
    if (c == ' ')
      out += '_';
    else if (q_safe(c))
      out += c;
    else
      out += {'=', hex[octet >> 4], hex[octet & 15]};
  }
  return out;
}

std::string b_encode(std::string_view bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    unsigned group = 0;
    for (std::size_t k = 0; k < 3; ++k)
      group = group << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k)
      out += k > bytes.size() - i ? '=' : digits[group >> (18 - 6 * k) & 63];
  }
  return out;
}

// How much of `text`, in whole characters and at least one, takes at most `room` bytes encoded.
std::size_t q_prefix(std::string_view text, std::size_t room) {
  std::size_t taken = 0, used = 0;
  while (taken < text.size()) {
    const auto next = std::max<std::size_t>(utf8_length(text.substr(taken)), 1);
    used += q_encode(text.substr(taken, next)).size();
    if (used > room) break;
    taken += next;
  }
  return taken;
}

// The same. Of those, the longest that needs no padding, if the text goes on: some readers (GMime 3.2) put
// adjacent encoded-words together before they decode them, and stop at padding.
std::size_t b_prefix(std::string_view text, std::size_t room) {
  std::size_t taken = 0, unpadded = 0;
  while (taken < text.size()) {
    const auto next = std::max<std::size_t>(utf8_length(text.substr(taken)), 1);
    if ((taken + next + 2) / 3 * 4 > room) break;
    taken += next;
    if (taken % 3 == 0) unpadded = taken;
  }
  return taken == text.size() || unpadded == 0 ? taken : unpadded;
}

// Encoded-words for `text`, each whole characters and at most 75 bytes (RFC 2047 2 and 5).
void encode(Folder& out, std::string_view blanks, std::string_view text) {
  const auto others =
      static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return !q_safe(c) && c != ' '; }));
  const bool q = 2 * others <= text.size() / 2 + 1;  // Q costs 2 more for each of those, B a third of all
  const std::size_t frame = open_q.size() + shut.size();
  while (!text.empty()) {
    const std::size_t at_least = frame + 12;  // one character of four bytes in Q
    if (!out.fresh() && out.room() < blanks.size() + at_least) out.fold();
    const std::size_t room =
        std::clamp(out.room(), blanks.size() + at_least, fold_at) - blanks.size() - frame;
    const auto taken = q ? q_prefix(text, room) : b_prefix(text, room);
    const auto part = text.substr(0, taken);
    out.word(blanks,
             std::string(q ? open_q : open_b) + (q ? q_encode(part) : b_encode(part)) + std::string(shut));
    text.remove_prefix(taken);
    blanks = " ";
  }
}

struct Word {
  std::string_view blanks;  // before it
  std::string_view bytes;
};

std::vector<Word> split(std::string_view text) {
  std::vector<Word> words;
  while (!text.empty()) {
    const auto start = std::min(text.find_first_not_of(" \t"), text.size());
    const auto end = std::min(text.find_first_of(" \t", start), text.size());
    if (start < end) words.push_back({text.substr(0, start), text.substr(start, end - start)});
    text.remove_prefix(end);
  }
  return words;
}

// Words that need it, and the blanks between them, are encoded together: blanks between two encoded-words do
// not count (RFC 2047 6.2).
template <class Needs>
void write_words(Folder& out, std::string_view text, Needs needs) {
  const auto words = split(text);
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto blanks = i == 0 ? std::string_view(" ") : words[i].blanks;
    if (!needs(words[i].bytes)) {
      out.word(blanks, words[i].bytes);
      continue;
    }
    const char* const begin = words[i].bytes.data();
    while (i + 1 < words.size() && needs(words[i + 1].bytes)) ++i;
    encode(out, blanks, {begin, words[i].bytes.data() + words[i].bytes.size()});
  }
}

void write_name(Folder& out, std::string_view name) {
  const bool long_one =
      std::ranges::any_of(split(name), [](const Word& w) { return w.bytes.size() > long_word; });
  if (!ascii(name) || name.contains("=?") || long_one) return encode(out, " ", name);
  if (std::ranges::all_of(name, [](char c) { return atext(c) || c == ' '; }))
    return write_words(out, name, [](std::string_view) { return false; });
  std::string quoted = "\"";
  for (const char c : name) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  write_words(out, quoted + '"', [](std::string_view) { return false; });
}

}  // namespace

std::string text_field(std::string_view name, std::string_view utf8) {
  Folder out(name);
  write_words(out, utf8, [](std::string_view word) {
    return !ascii(word) || word.contains("=?") || word.size() > long_word;
  });
  return std::move(out).finish();
}

std::string formed_field(std::string_view name, std::string_view utf8) {
  Folder out(name);
  write_words(out, utf8, [](std::string_view word) { return !ascii(word); });
  return std::move(out).finish();
}

std::string mailbox_field(std::string_view name, std::span<const Mailbox> mailboxes) {
  Folder out(name);
  for (std::size_t i = 0; i < mailboxes.size(); ++i) {
    const auto& mailbox = mailboxes[i];
    const std::string comma = i + 1 < mailboxes.size() ? "," : "";
    if (mailbox.name.empty()) {
      out.word(" ", mailbox.address + comma);
      continue;
    }
    write_name(out, mailbox.name);
    out.word(" ", "<" + mailbox.address + ">" + comma);
  }
  return std::move(out).finish();
}

std::size_t longest_line(std::string_view bytes) {
  std::size_t longest = 0;
  while (!bytes.empty()) {
    const auto end = std::min(bytes.find("\r\n"), bytes.size());
    longest = std::max(longest, end);
    bytes.remove_prefix(std::min(end + 2, bytes.size()));
  }
  return longest;
}

}  // namespace relay::mime
