// parse_mailbox: mailbox of RFC 5322 3.4, with RFC 6532's UTF-8, in full: nothing is guessed or skipped but
// comments. Dots in a display name are let pass (obs-phrase), as people write "John Q. Public".
#include <algorithm>
#include <optional>

#include "mta/mime/compose.h"
#include "mta/mime/decode.h"
#include "mta/mime/utf8.h"
#include "mta/wire/address.h"

namespace relay::mime {
namespace {

constexpr std::size_t max_mailbox = 4096;  // bytes: a display name of any use and the longest address
constexpr int max_nesting = 20;            // comments within comments

std::unexpected<Error> refuse(const char* why) { return fail(Errc::invalid, why); }

bool atext(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         static_cast<unsigned char>(c) >= 128 || std::string_view("!#$%&'*+-/=?^_`{|}~").contains(c);
}

class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  Result<Mailbox> mailbox() {
    // What comes first is a phrase or a local part; which of them, the next special character says.
    std::string phrase;
    const bool ended = blanks();
    const char* const begin = rest_.data();
    if (!ended || !words(phrase)) return refuse("has a quoted string or a comment that does not end");
    if (rest_.starts_with('<')) return name_addr(std::move(phrase));
    if (rest_.starts_with('@')) return addr_spec({begin, rest_.data()});
    if (rest_.empty() && phrase.empty()) return refuse("is empty");
    return refuse(what_is_wrong());
  }

 private:
  Result<Mailbox> name_addr(std::string phrase) {
    const auto close = closing_bracket();
    if (!close) return refuse("has no closing >");
    const auto address = wire::parse_address(rest_.substr(1, *close - 1), {.utf8 = true});
    if (!address) return refuse("has no valid address between < and >");
    rest_.remove_prefix(*close + 1);
    if (!blanks() || !rest_.empty()) return refuse(what_is_wrong());
    return Mailbox{std::move(phrase), address->text};
  }

  Result<Mailbox> addr_spec(std::string_view local) {
    const auto end = std::min(rest_.find_first_of(" \t,;<>()\""), rest_.size());
    const std::string text = std::string(trimmed(local)) + std::string(rest_.substr(0, end));
    const auto address = wire::parse_address(text, {.utf8 = true});
    if (!address) return refuse("is not a valid address");
    rest_.remove_prefix(end);
    if (!blanks() || !rest_.empty()) return refuse(what_is_wrong());
    return Mailbox{{}, address->text};
  }

  const char* what_is_wrong() const {
    switch (rest_.empty() ? '\0' : rest_.front()) {
      case '\0': return "has no address";
      case ',':
      case ';': return "is more than one address, or has a name with a comma that is not in quotes";
      case ':': return "is a group, or has a name with a colon that is not in quotes";
      default: return "is not one address, as in \"Name\" <user@example.com>";
    }
  }

  // Atoms, dots and quoted strings, with a blank between those that had one.
  bool words(std::string& phrase) {
    bool encoded = false;
    for (;;) {
      const auto before = rest_.size();
      if (!blanks()) return false;
      const bool gap = rest_.size() != before && !phrase.empty();
      const auto end = std::ranges::find_if_not(rest_, [](char c) { return atext(c) || c == '.'; });
      const std::string_view atom(rest_.begin(), end);
      if (!atom.empty()) {
        if (gap) phrase += ' ';
        encoded = encoded || atom.starts_with("=?");
        phrase += atom;
        rest_.remove_prefix(atom.size());
      } else if (rest_.starts_with('"')) {
        if (gap) phrase += ' ';
        if (!quoted(phrase)) return false;
      } else {
        break;
      }
    }
    if (encoded) phrase = decode_value(phrase, max_mailbox);
    phrase = clean_line(phrase);
    return true;
  }

  bool quoted(std::string& phrase) {
    for (rest_.remove_prefix(1); !rest_.empty(); rest_.remove_prefix(1)) {
      if (rest_[0] == '"') {
        rest_.remove_prefix(1);
        return true;
      }
      if (rest_[0] == '\\') rest_.remove_prefix(1);
      if (!rest_.empty()) phrase += rest_[0];
      if (rest_.empty()) return false;
    }
    return false;
  }

  // Blanks and comments (CFWS); false if a comment does not end.
  bool blanks() {
    int depth = 0;
    for (; !rest_.empty(); rest_.remove_prefix(1)) {
      const char c = rest_[0];
      if (c == '(') {
        if (++depth > max_nesting) return false;
      } else if (depth == 0) {
        if (c != ' ' && c != '\t') return true;
      } else if (c == ')') {
        --depth;
      } else if (c == '\\') {
        rest_.remove_prefix(1);
        if (rest_.empty()) return false;
      }
    }
    return depth == 0;
  }

  std::optional<std::size_t> closing_bracket() const {
    bool in_quotes = false;
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      if (in_quotes && rest_[i] == '\\')
        ++i;
      else if (rest_[i] == '"')
        in_quotes = !in_quotes;
      else if (rest_[i] == '>' && !in_quotes)
        return i;
    }
    return std::nullopt;
  }

  static std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    return text;
  }

  std::string_view rest_;
};

// Where the mailbox at the front of a list ends: at the first comma that is in no quotes, comment or angle
// brackets.
std::size_t end_of_first(std::string_view list) {
  bool in_quotes = false;
  bool in_brackets = false;
  int comments = 0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const char c = list[i];
    if (c == '\\' && (in_quotes || comments > 0))
      ++i;
    else if (in_quotes)
      in_quotes = c != '"';
    else if (c == '(' || (c == ')' && comments > 0))
      comments += c == '(' ? 1 : -1;
    else if (comments > 0)
      continue;
    else if (c == '"')
      in_quotes = true;
    else if (c == '<' || c == '>')
      in_brackets = c == '<';
    else if (c == ',' && !in_brackets)
      return i;
  }
  return list.size();
}

}  // namespace

Result<Mailbox> parse_mailbox(std::string_view text) {
  if (text.size() > max_mailbox) return refuse("is longer than 4096 bytes");
  if (std::ranges::any_of(text, [](char c) { return control(c) && c != '\t'; }))
    return refuse("has a line break or another control character");
  if (!wire::valid_utf8(text)) return refuse("is not valid UTF-8");
  return Parser(text).mailbox();
}

// Each piece must be a mailbox in full, so that a list cut at a wrong comma is refused and not misread.
Result<std::vector<Mailbox>> parse_mailboxes(std::string_view text) {
  std::vector<Mailbox> all;
  for (;;) {
    const std::size_t end = end_of_first(text);
    auto one = parse_mailbox(text.substr(0, end));
    if (!one) return std::unexpected(one.error());
    all.push_back(std::move(*one));
    if (end == text.size()) return all;
    text.remove_prefix(end + 1);
  }
}

}  // namespace relay::mime
