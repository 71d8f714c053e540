#include "relay-api/fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "relay-api/json_parse.h"

namespace relay::api {
namespace json = boost::json;

std::string_view kind_of(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null: return "null";
    case json::kind::bool_: return "a boolean";
    case json::kind::int64:
    case json::kind::uint64:
    case json::kind::double_: return "a number";
    case json::kind::string: return "a string";
    case json::kind::array: return "an array";
    case json::kind::object: return "an object";
  }
  return "something else";
}

bool Fields::given(std::string_view key) const { return object_.contains({key.data(), key.size()}); }

const json::value* Fields::take(std::string_view key) {
  known_.push_back(key);
  const json::value* value = object_.if_contains({key.data(), key.size()});
  return value == nullptr || value->is_null() ? nullptr : value;
}

const json::string* Fields::take_string(std::string_view key) {
  const json::value* value = take(key);
  if (value == nullptr || value->is_string()) return value != nullptr ? &value->get_string() : nullptr;
  fault(key, "wrong_type", fmt::format("{} is {}; it must be a string.", key, kind_of(*value)));
  return nullptr;
}

const json::array* Fields::take_array(std::string_view key) {
  const json::value* value = take(key);
  if (value == nullptr || value->is_array()) return value != nullptr ? &value->get_array() : nullptr;
  fault(key, "wrong_type", fmt::format("{} is {}; it must be an array.", key, kind_of(*value)));
  return nullptr;
}

const json::object* Fields::take_object(std::string_view key) {
  const json::value* value = take(key);
  if (value == nullptr || value->is_object()) return value != nullptr ? &value->get_object() : nullptr;
  fault(key, "wrong_type", fmt::format("{} is {}; it must be an object.", key, kind_of(*value)));
  return nullptr;
}

std::optional<std::string> Fields::text(std::string_view key) {
  const json::string* value = take_string(key);
  return value != nullptr ? std::optional(std::string(value->data(), value->size())) : std::nullopt;
}

std::optional<bool> Fields::boolean(std::string_view key) {
  const json::value* value = take(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_bool()) return value->get_bool();
  fault(key, "wrong_type", fmt::format("{} is {}; it must be true or false.", key, kind_of(*value)));
  return std::nullopt;
}

std::string Fields::pointer(std::string_view key) const { return pointer_ + "/" + pointer_token(key); }

void Fields::fault(std::string_view key, std::string code, std::string detail) {
  fault_at(pointer(key), std::move(code), std::move(detail));
}

void Fields::fault_at(std::string pointer, std::string code, std::string detail) {
  faults_.push_back({Fault::In::body, std::move(pointer), std::move(code), std::move(detail)});
}

void Fields::refuse_unknown() {
  for (const auto& member : object_) {
    const std::string_view key(member.key().data(), member.key().size());
    if (std::find(known_.begin(), known_.end(), key) == known_.end())
      fault(key, "unknown_field", "There is no field of this name.");
  }
}

}  // namespace relay::api
