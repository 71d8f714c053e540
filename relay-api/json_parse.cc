#include "relay-api/json_parse.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <boost/json/basic_parser_impl.hpp>
#include <optional>
#include <unordered_set>

#include "relay-api/utf8.h"

namespace relay::api {
namespace json = boost::json;
namespace {

// Builds the value as the library does, and remembers the keys of every object that is open.
struct Builder {
  static constexpr std::size_t max_object_size = json::object::max_size();
  static constexpr std::size_t max_array_size = json::array::max_size();
  static constexpr std::size_t max_key_size = json::string::max_size();
  static constexpr std::size_t max_string_size = json::string::max_size();
  using View = json::string_view;
  using Code = json::error_code;

  json::value_stack stack;
  std::vector<std::unordered_set<std::string>> open;
  std::string key;         // as far as it was read
  bool duplicate = false;  // key ended parsing

  bool on_document_begin(Code&) {
    stack.reset();
    return true;
  }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code&) {
    open.emplace_back();
    return true;
  }
  bool on_object_end(std::size_t n, Code&) {
    open.pop_back();
    stack.push_object(n);
    return true;
  }
  bool on_array_begin(Code&) { return true; }
  bool on_array_end(std::size_t n, Code&) {
    stack.push_array(n);
    return true;
  }
  bool on_key_part(View s, std::size_t, Code&) {
    key.append(s.data(), s.size());
    stack.push_chars(s);
    return true;
  }
  bool on_key(View s, std::size_t, Code& ec) {
    key.append(s.data(), s.size());
    if (!open.back().insert(key).second) {
      duplicate = true;
      ec = json::error::syntax;
      return false;
    }
    key.clear();
    stack.push_key(s);
    return true;
  }
  bool on_string_part(View s, std::size_t, Code&) {
    stack.push_chars(s);
    return true;
  }
  bool on_string(View s, std::size_t, Code&) {
    stack.push_string(s);
    return true;
  }
  bool on_number_part(View, Code&) { return true; }
  bool on_int64(std::int64_t i, View, Code&) {
    stack.push_int64(i);
    return true;
  }
  bool on_uint64(std::uint64_t u, View, Code&) {
    stack.push_uint64(u);
    return true;
  }
  bool on_double(double d, View, Code&) {
    stack.push_double(d);
    return true;
  }
  bool on_bool(bool b, Code&) {
    stack.push_bool(b);
    return true;
  }
  bool on_null(Code&) {
    stack.push_null();
    return true;
  }
  bool on_comment_part(View, Code&) { return true; }
  bool on_comment(View, Code&) { return true; }
};

std::string place_of(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const std::size_t newline = before.rfind('\n');
  const std::size_t column = before.size() - (newline == std::string_view::npos ? 0 : newline + 1) + 1;
  return fmt::format("line {}, column {}", line, column);
}

std::string_view reason_of(const json::error_code& ec) {
  if (ec == json::error::incomplete) return "it ends in the middle of a value";
  if (ec == json::error::extra_data) return "something follows the value";
  if (ec == json::error::too_deep) return "it is nested too deeply";
  if (ec == json::error::expected_utf16_escape || ec == json::error::illegal_leading_surrogate ||
      ec == json::error::illegal_trailing_surrogate)
    return "an escaped surrogate has no partner";
  if (ec == json::error::expected_hex_digit) return "an escape \\u needs four hexadecimal digits";
  return "the syntax is wrong";
}

// Where the text stops being UTF-8, if it does. The library stops there too, but calls it syntax or an early
// end; who sent Latin-1 deserves the better word.
std::optional<std::size_t> broken_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint next = first_code_point(text.substr(at));
    if (next.value == 0xfffd && next.bytes == 1) return at;
    at += next.bytes;
  }
  return std::nullopt;
}

}  // namespace

Result<json::value> parse_json(std::string_view text, std::size_t depth) {
  json::parse_options options;
  options.max_depth = depth;
  json::basic_parser<Builder> parser(options);
  json::error_code ec;
  const std::size_t read = parser.write_some(false, text.data(), text.size(), ec);
  Builder& built = parser.handler();
  if (built.duplicate)
    return fail(Errc::invalid,
                fmt::format("The key \"{}\" is given twice, {}", built.key, place_of(text, read)));
  if (!ec && read < text.size()) ec = json::error::extra_data;
  if (!ec) return built.stack.release();
  if (const auto at = broken_utf8(text))
    return fail(Errc::invalid, fmt::format("The body is not valid UTF-8, {}", place_of(text, *at)));
  return fail(Errc::invalid,
              fmt::format("The body is not JSON: {}, {}", reason_of(ec), place_of(text, read)));
}

std::string pointer_token(std::string_view key) {
  std::string out;
  for (char c : key) {
    if (c == '~')
      out += "~0";
    else if (c == '/')
      out += "~1";
    else
      out += c;
  }
  return out;
}

}  // namespace relay::api
