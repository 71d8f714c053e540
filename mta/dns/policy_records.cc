#include "mta/dns/policy_records.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace relay::dns {
namespace {

bool alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

std::string_view trimmed(std::string_view text) {
  const auto from = text.find_first_not_of(" \t");
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t") - from + 1);
}

struct Field {
  std::string_view name, value;
};

// RFC 8461 3.1, sts-ext-name and -value; RFC 8460 3 has the same.
bool well_formed(const Field& field) {
  const auto name_char = [](char c) { return alnum(c) || c == '_' || c == '-' || c == '.'; };
  const auto value_char = [](char c) { return c >= 0x21 && c <= 0x7e && c != ';'; };
  return !field.name.empty() && field.name.size() <= 32 && alnum(field.name.front()) &&
         std::ranges::all_of(field.name, name_char) && !field.value.empty() &&
         std::ranges::all_of(field.value, value_char);
}

// RFC 8461 3.1: each is "version; name=value; ...". Others of these texts begin otherwise.
bool is_of(std::string_view text, std::string_view version) {
  if (!text.starts_with(version)) return false;
  text = trimmed(text.substr(version.size()));
  return text.empty() || text.front() == ';';
}

std::optional<std::string_view> only_one(std::span<const std::string> texts, std::string_view version) {
  const auto of_it = [&](const std::string& text) { return is_of(text, version); };
  if (std::ranges::count_if(texts, of_it) != 1) return std::nullopt;
  return std::string_view(*std::ranges::find_if(texts, of_it)).substr(version.size());
}

// The fields behind the version; a last ';' may follow them. nullopt if one is no field at all.
std::optional<std::vector<Field>> fields_of(std::string_view text) {
  std::vector<Field> fields;
  text = trimmed(text);
  while (!text.empty()) {
    text.remove_prefix(1);  // ';'
    const auto end = std::min(text.find(';'), text.size());
    const std::string_view one = trimmed(text.substr(0, end));
    text.remove_prefix(end);
    if (one.empty() && text.empty() && !fields.empty()) break;
    const auto sign = one.find('=');
    if (sign == std::string_view::npos) return std::nullopt;
    fields.push_back({one.substr(0, sign), one.substr(sign + 1)});
  }
  return fields;
}

const Field* find(const std::vector<Field>& fields, std::string_view name) {
  const auto found = std::ranges::find(fields, name, &Field::name);
  return found == fields.end() ? nullptr : &*found;
}

bool starts_ignoring_case(std::string_view text, std::string_view head) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return text.size() >= head.size() && std::ranges::equal(text.substr(0, head.size()), head, {}, lower);
}

bool report_uri(std::string_view uri) {
  // RFC 8460 3: ",", "!" and ";" stand escaped in it, so that they can separate.
  const auto uri_char = [](char c) { return c >= 0x21 && c <= 0x7e && c != '!' && c != '"'; };
  if (!std::ranges::all_of(uri, uri_char)) return false;
  constexpr std::string_view mail = "mailto:", web = "https://";
  return (starts_ignoring_case(uri, mail) && uri.find('@', mail.size() + 1) != std::string_view::npos) ||
         (starts_ignoring_case(uri, web) && uri.size() > web.size());
}

}  // namespace

std::optional<std::string> mta_sts_id(std::span<const std::string> texts) {
  const auto record = only_one(texts, "v=STSv1");
  if (!record) return std::nullopt;
  const auto fields = fields_of(*record);
  if (!fields || !std::ranges::all_of(*fields, well_formed)) return std::nullopt;
  const Field* id = find(*fields, "id");
  if (!id || id->value.size() > 32 || !std::ranges::all_of(id->value, alnum)) return std::nullopt;
  return std::string(id->value);
}

std::vector<std::string> tls_report_uris(std::span<const std::string> texts) {
  std::vector<std::string> uris;
  const auto record = only_one(texts, "v=TLSRPTv1");
  if (!record) return uris;
  const auto fields = fields_of(*record);
  if (!fields) return uris;
  for (const Field& field : *fields)  // "rua" may have white space within, around its commas
    if (field.name != "rua" && !well_formed(field)) return uris;
  const Field* rua = find(*fields, "rua");
  if (!rua) return uris;
  for (std::string_view rest = rua->value; !rest.empty();) {
    const auto end = std::min(rest.find(','), rest.size());
    const std::string_view uri = trimmed(rest.substr(0, end));
    if (report_uri(uri)) uris.emplace_back(uri);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return uris;
}

}  // namespace relay::dns
