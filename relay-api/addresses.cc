#include "relay-api/addresses.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "mta/wire/address.h"

namespace relay::api {
namespace json = boost::json;
namespace {

std::string_view view(const json::string& s) { return {s.data(), s.size()}; }

// The address as the envelope has it: domain in lower-case A-labels. Faults stand at `pointer`.
std::optional<mime::Mailbox> checked(Fields& fields, const std::string& pointer, mime::Mailbox mailbox) {
  const auto address = wire::parse_address(mailbox.address, {.utf8 = true});
  if (!address) {
    fields.fault_at(pointer, "invalid_address", "This is not an address of the form user@example.com.");
    return std::nullopt;
  }
  mailbox.address = address->text;
  return mailbox;
}

std::optional<mime::Mailbox> from_text(Fields& fields, const std::string& pointer, std::string_view text) {
  auto mailbox = mime::parse_mailbox(text);
  if (mailbox) return checked(fields, pointer, std::move(*mailbox));
  fields.fault_at(pointer, "invalid_address", "This " + mailbox.error().message + ".");
  return std::nullopt;
}

std::optional<mime::Mailbox> from_object(Fields& fields, const std::string& pointer,
                                         const json::object& object) {
  std::vector<Fault>& faults = fields.faults();
  const std::size_t before = faults.size();
  Fields inner(object, pointer, faults);
  const auto email = inner.text("email");
  auto name = inner.text("name");
  inner.refuse_unknown();
  if (name && has_controls(*name))
    inner.fault("name", "invalid_character", "A name may not hold line breaks or other control characters.");
  if (!email && faults.size() == before) inner.fault("email", "required", "An address needs its email.");
  if (!email || faults.size() != before) return std::nullopt;
  return checked(fields, inner.pointer("email"), {name.value_or(""), *email});
}

std::optional<mime::Mailbox> read_one(Fields& fields, const std::string& pointer, const json::value& value) {
  if (value.is_string()) return from_text(fields, pointer, view(value.get_string()));
  if (value.is_object()) return from_object(fields, pointer, value.get_object());
  fields.fault_at(
      pointer, "wrong_type",
      fmt::format("This is {}; an address is a string or an object of email and name.", kind_of(value)));
  return std::nullopt;
}

}  // namespace

std::vector<mime::Mailbox> read_mailboxes(Fields& fields, std::string_view key, Count count,
                                          std::uint32_t at_most) {
  std::vector<mime::Mailbox> all;
  const json::value* value = fields.take(key);
  if (value == nullptr) return all;
  if (!value->is_array()) {
    if (auto one = read_one(fields, fields.pointer(key), *value)) all.push_back(std::move(*one));
    return all;
  }
  if (count == Count::one) {
    fields.fault(key, "wrong_type", fmt::format("{} takes one address, not an array.", key));
    return all;
  }
  const json::array& entries = value->get_array();
  if (entries.size() > at_most) {
    fields.fault(key, "too_many",
                 fmt::format("{} has {} entries; at most {} are taken.", key, entries.size(), at_most));
    return all;
  }
  for (std::size_t i = 0; i < entries.size(); ++i)
    if (auto one = read_one(fields, fmt::format("{}/{}", fields.pointer(key), i), entries[i]))
      all.push_back(std::move(*one));
  return all;
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool has_controls(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7f;
  });
}

}  // namespace relay::api
