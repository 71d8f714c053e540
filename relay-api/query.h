// Query: the parameters of a request's query, decoded and checked. As in a body, everything wrong becomes a
// fault, also a parameter nobody asked for or one given twice. An empty value counts as absent. Pure.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mta/base/ids.h"
#include "relay-api/problem.h"

namespace relay::api {

class Query {
 public:
  explicit Query(std::string_view text);

  std::optional<std::string> text(std::string_view name);
  std::uint32_t number(std::string_view name, std::uint32_t without, std::uint32_t least, std::uint32_t most);
  std::optional<MessageId> message(std::string_view name);
  std::optional<RecipientRef> recipient(std::string_view name);  // a cursor: "msg_….3"
  void fault(std::string_view name, std::string code, std::string detail);
  // When all known parameters were asked for: what was wrong, as 400.
  std::optional<Problem> finish();

 private:
  std::vector<std::pair<std::string, std::string>> parameters_;
  std::vector<Fault> faults_;
};

std::string cursor_of(const RecipientRef& ref);

// %XX and + decoded; nullopt if an escape is broken.
std::optional<std::string> decode_percent(std::string_view text);
std::string encode_percent(std::string_view text);

}  // namespace relay::api
