// Fields: one JSON object of a request while it is read. Every member is asked for by name and type; what has
// the wrong type becomes a fault, and so does, at the end, what nobody asked for. null counts as absent.
#pragma once
#include <boost/json/fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "relay-api/problem.h"

namespace relay::api {

// "a string", "an array"... of what a value is, for sentences.
std::string_view kind_of(const boost::json::value& value);

class Fields {
 public:
  // The object and the faults outlive it. `pointer` is where the object stands ("" for the whole body).
  Fields(const boost::json::object& object, std::string pointer, std::vector<Fault>& faults)
      : object_(object), pointer_(std::move(pointer)), faults_(faults) {}

  bool given(std::string_view key) const;                // even as null
  const boost::json::value* take(std::string_view key);  // null if absent
  const boost::json::string* take_string(std::string_view key);
  const boost::json::array* take_array(std::string_view key);
  const boost::json::object* take_object(std::string_view key);
  std::optional<std::string> text(std::string_view key);
  std::optional<bool> boolean(std::string_view key);

  std::string pointer(std::string_view key) const;
  void fault(std::string_view key, std::string code, std::string detail);
  void fault_at(std::string pointer, std::string code, std::string detail);
  std::vector<Fault>& faults() { return faults_; }
  void refuse_unknown();  // when all known members were taken

 private:
  const boost::json::object& object_;
  std::string pointer_;
  std::vector<Fault>& faults_;
  std::vector<std::string_view> known_;
};

}  // namespace relay::api
