#include "mta/mime/decode.h"

#include <gmime/gmime.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "mta/mime/gmime_init.h"
#include "mta/mime/utf8.h"
#include "mta/wire/address.h"

namespace relay::mime {
namespace {

struct Free {
  void operator()(gpointer text) const { g_free(text); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

// One encoded-word (RFC 2047 2), not yet out of its character set.
struct EncodedWord {
  std::string charset;
  std::string bytes;
  std::size_t length = 0;  // in the text
};

std::string q_decode(std::string_view text) {
  const auto digit = [](char c) { return g_ascii_xdigit_value(c); };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape =
        text[i] == '=' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0;
    if (escape) {
      out += static_cast<char>(digit(text[i + 1]) << 4 | digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '_' ? ' ' : text[i];
    }
  }
  return out;
}

std::string b_decode(std::string_view text) {
  gsize length = 0;
  const Owned<guchar> bytes(g_base64_decode(std::string(text).c_str(), &length));
  return {reinterpret_cast<const char*>(bytes.get()), length};
}

// The encoded-word at the front of `text`, which starts with "=?".
std::optional<EncodedWord> encoded_word(std::string_view text) {
  const auto charset_end = text.find('?', 2);
  if (charset_end == text.npos || charset_end + 2 >= text.size() || text[charset_end + 2] != '?') return {};
  const auto end = text.find("?=", charset_end + 3);
  if (end == text.npos) return {};
  const auto payload = text.substr(charset_end + 3, end - charset_end - 3);
  if (payload.find_first_of(" ?") != payload.npos) return {};
  auto charset = text.substr(2, charset_end - 2);
  charset = charset.substr(0, charset.find('*'));  // RFC 2231 5: a language may follow
  if (charset.empty() || charset.find(' ') != charset.npos) return {};
  const char encoding = g_ascii_toupper(text[charset_end + 1]);
  if (encoding != 'Q' && encoding != 'B') return {};
  return EncodedWord{std::string(charset), encoding == 'Q' ? q_decode(payload) : b_decode(payload), end + 2};
}

std::string to_utf8(const std::string& bytes, const std::string& charset) {
  gsize length = 0;
  const Owned<char> text(g_convert_with_fallback(bytes.data(), static_cast<gssize>(bytes.size()), "UTF-8",
                                                 g_mime_charset_iconv_name(charset.c_str()), nullptr, nullptr,
                                                 &length, nullptr));
  return text ? std::string(text.get(), length) : bytes;  // clean_line mends what is no UTF-8
}

// Not by GMime's g_mime_utils_header_decode_text: it loses what follows padding when base64 words are
// adjacent. Characters may be split between words of one character set, so their bytes are joined first.
std::string decode_words(std::string_view text) {
  std::string out, bytes, charset;
  const auto flush = [&] {
    if (!bytes.empty()) out += to_utf8(bytes, charset);
    bytes.clear();
  };
  while (!text.empty()) {
    const auto at = std::min(text.find("=?"), text.size());
    const auto between = text.substr(0, at);
    auto word = at < text.size() ? encoded_word(text.substr(at)) : std::nullopt;
    // RFC 2047 6.2: blanks between two encoded-words do not count.
    const bool adjoins = word && !charset.empty() && between.find_first_not_of(' ') == between.npos;
    if (!adjoins || g_ascii_strcasecmp(charset.c_str(), word->charset.c_str()) != 0) flush();
    if (!adjoins) out += between;
    text.remove_prefix(at);
    charset.clear();
    if (word) {
      bytes += word->bytes;
      charset = std::move(word->charset);
      text.remove_prefix(word->length);
    } else if (!text.empty()) {
      out += text.substr(0, 2);
      text.remove_prefix(2);
    }
  }
  flush();
  return out;
}

}  // namespace

std::string decode_value(std::string_view raw, std::size_t limit) {
  // One character of the result takes at most 12 bytes of an encoded-word, and each word of those 12 more:
  // what lies beyond cannot be shown, and is not worth decoding.
  raw = raw.substr(0, std::min(raw.size(), limit * 32));
  std::string line;
  line.reserve(raw.size());
  for (const char c : raw) {
    if (c == '\r' || c == '\n') continue;  // unfolding leaves the blank that follows
    line += control(c) ? ' ' : c;
  }
  const bool latin = !wire::valid_utf8(line);
  if (latin || line.contains("=?")) init_gmime();
  if (latin) line = to_utf8(line, "iso-8859-1");
  if (line.contains("=?")) line = decode_words(line);
  return std::string(cut_utf8(clean_line(line), limit));
}

}  // namespace relay::mime
