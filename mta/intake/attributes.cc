#include "mta/intake/attributes.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "mta/base/mail_date.h"
#include "mta/base/utf8.h"
#include "mta/mime/decode.h"
#include "mta/wire/ascii.h"

namespace relay::intake {
namespace {

constexpr std::size_t key_bytes = 255;        // of an idempotency key
constexpr std::size_t shown_name_bytes = 80;  // of a field, in a reply

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t";
  const std::size_t first = text.find_first_not_of(blanks);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

// The value as it is to be read. A control character would be lost on the way: then there is none.
std::optional<std::string> value_of(std::string_view raw) {
  constexpr std::size_t longest_expansion = 4;  // of a byte in another character set, as UTF-8
  std::string unfolded;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw.substr(i, 2) == "\r\n") {
      ++i;
      continue;
    }
    const auto c = static_cast<unsigned char>(raw[i]);
    if ((c < ' ' && c != '\t') || c == 0x7f) return std::nullopt;
    unfolded += raw[i];
  }
  // What is not encoded stays to the blank.
  const bool plain = unfolded.find("=?") == unfolded.npos && valid_utf8(unfolded);
  if (!plain) unfolded = mime::decode_value(unfolded, longest_expansion * unfolded.size());
  return std::string(trimmed(unfolded));
}

class Reader {
 public:
  Reader(const AttributeLimits& limits) : limits_(limits) {}
  // A field's name without the prefix, and what stands behind its colon.
  void field(std::string_view name, std::string_view raw);

  Attributes found;
  std::string fault;  // the first

 private:
  using Read = void (Reader::*)(const std::string& field, const std::string& value);
  void tags(const std::string& field, const std::string& value);
  void metadata(const std::string& field, const std::string& name, std::string value);
  void stream(const std::string& field, const std::string& value);
  void sandbox(const std::string& field, const std::string& value);
  void idempotency_key(const std::string& field, const std::string& value);
  void scheduled(const std::string& field, const std::string& value);
  void fail(std::string_view field, std::string_view what) {
    if (fault.empty()) fault = fmt::format("{} {}", field.substr(0, shown_name_bytes), what);
  }
  bool first(const std::string& field) {
    if (seen_.insert(wire::lower_case(field)).second) return true;
    fail(field, "is given twice; give it once");
    return false;
  }

  const AttributeLimits& limits_;
  std::set<std::string> seen_;
};

void Reader::field(std::string_view name, std::string_view raw) {
  constexpr std::string_view metadata_prefix = "Metadata-";
  static constexpr std::pair<std::string_view, Read> known[] = {
      {"Tag", &Reader::tags},
      {"Stream", &Reader::stream},
      {"Sandbox", &Reader::sandbox},
      {"Idempotency-Key", &Reader::idempotency_key},
      {"Scheduled-At", &Reader::scheduled},
  };
  const std::string whole = std::string(attribute_prefix) + std::string(name);
  auto value = value_of(raw);
  if (!value) return fail(whole, "has a control character in its value; leave it out");
  for (const auto& [its_name, read] : known)
    if (wire::equal_ignoring_case(name, its_name))
      return (this->*read)(std::string(attribute_prefix) + std::string(its_name), *value);
  if (wire::starts_ignoring_case(name, metadata_prefix) && name.size() > metadata_prefix.size())
    return metadata(whole, wire::lower_case(name.substr(metadata_prefix.size())), std::move(*value));
  fail(whole,
       "is not a field this relay knows; it knows X-Relay-Tag, X-Relay-Metadata-NAME, X-Relay-Stream, "
       "X-Relay-Sandbox, X-Relay-Idempotency-Key and X-Relay-Scheduled-At");
}

void Reader::tags(const std::string& field, const std::string& value) {
  std::size_t given = 0;
  for (std::size_t at = 0; at <= value.size();) {
    const std::size_t comma = std::min(value.find(',', at), value.size());
    const std::string_view tag = trimmed(std::string_view(value).substr(at, comma - at));
    at = comma + 1;
    if (tag.empty()) continue;
    if (tag.size() > limits_.tag_bytes)
      return fail(field,
                  fmt::format("has a tag of {} bytes; at most {} are taken", tag.size(), limits_.tag_bytes));
    if (found.tags.size() >= limits_.tags)
      return fail(field, fmt::format("gives more tags than the {} that are taken", limits_.tags));
    found.tags.emplace_back(tag);
    ++given;
  }
  if (given == 0) fail(field, "is empty; give one or more tags, separated by commas");
}

void Reader::metadata(const std::string& field, const std::string& name, std::string value) {
  if (!first(field)) return;
  if (found.metadata.size() >= limits_.metadata)
    return fail(field,
                fmt::format("is one more than the {} entries of metadata that are taken", limits_.metadata));
  if (name.size() > limits_.metadata_name_bytes)
    return fail(field, fmt::format("has a name of {} bytes; at most {} are taken", name.size(),
                                   limits_.metadata_name_bytes));
  if (value.size() > limits_.metadata_value_bytes)
    return fail(field, fmt::format("has a value of {} bytes; at most {} are taken", value.size(),
                                   limits_.metadata_value_bytes));
  found.metadata.push_back({name, std::move(value)});
}

void Reader::stream(const std::string& field, const std::string& value) {
  if (!first(field)) return;
  for (const auto stream : {spool::Stream::transactional, spool::Stream::bulk})
    if (wire::equal_ignoring_case(value, spool::text(stream))) found.stream = stream;
  if (!found.stream) fail(field, "must be transactional or bulk");
}

void Reader::sandbox(const std::string& field, const std::string& value) {
  if (!first(field)) return;
  for (const auto& [word, means] :
       {std::pair("true", true), {"yes", true}, {"1", true}, {"false", false}, {"no", false}, {"0", false}})
    if (wire::equal_ignoring_case(value, word)) found.sandbox = means;
  if (!found.sandbox) fail(field, "must be true or false");
}

void Reader::idempotency_key(const std::string& field, const std::string& value) {
  if (!first(field)) return;
  const bool printable = std::ranges::all_of(value, [](char c) { return c >= ' ' && c <= '~'; });
  if (value.empty() || value.size() > key_bytes || !printable)
    return fail(field, fmt::format("must be 1 to {} printable ASCII characters", key_bytes));
  found.idempotency_key = value;
}

void Reader::scheduled(const std::string& field, const std::string& value) {
  if (!first(field)) return;
  found.scheduled = parse_rfc3339(value);
  if (!found.scheduled) found.scheduled = parse_rfc5322(value);
  if (!found.scheduled)
    fail(field, "must be a time as in 2026-11-21T09:18:00+01:00 or Sat, 21 Nov 2026 09:18:00 +0100");
}

std::string beginning(const Body& content, std::size_t bytes) {
  std::string joined;
  joined.reserve(bytes);
  for (const auto& segment : content.segments()) {
    if (joined.size() >= bytes) break;
    joined.append(segment, 0, bytes - joined.size());
  }
  return joined;
}

// Where the field that begins at `at` ends: behind its last line, folded ones included.
std::size_t end_of_field(std::string_view section, std::size_t at) {
  for (;;) {
    const std::size_t end = section.find("\r\n", at);
    if (end == section.npos) return section.size();
    at = end + 2;
    if (at >= section.size() || (section[at] != ' ' && section[at] != '\t')) return at;
  }
}

}  // namespace

std::expected<Attributes, std::string> take_attributes(Body& content, std::size_t header_bytes,
                                                       const AttributeLimits& limits) {
  const std::string section = beginning(content, header_bytes);
  std::string kept;
  Reader reader(limits);
  for (std::size_t at = 0; at < section.size();) {
    const std::size_t end = end_of_field(section, at);
    const std::string_view field = std::string_view(section).substr(at, end - at);
    at = end;
    const std::size_t colon = std::min(field.find(':'), field.size());
    const std::string_view name = trimmed(field.substr(0, colon));
    if (wire::starts_ignoring_case(name, attribute_prefix))
      reader.field(name.substr(attribute_prefix.size()), field.substr(std::min(colon + 1, field.size())));
    else
      kept += field;
  }
  if (!reader.fault.empty()) return std::unexpected(std::move(reader.fault));
  content.replace_beginning(header_bytes, std::move(kept));
  return std::move(reader.found);
}

}  // namespace relay::intake
