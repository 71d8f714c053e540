// Reader: typed access to a YAML document that notes every fault instead of stopping at the first.
//
// A Section is one mapping. Each read names a key, the variable it sets and what is allowed; a missing key
// leaves the variable as it is. Keys that nobody asked for are faults when the section is finished. The keys
// asked for are noted with kind and default, so that documents can be compared with the code that reads them.
// Single-threaded; Document outlives its Sections.
#pragma once
#include <concepts>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mta/base/clock.h"

namespace relay::conf {

struct Fault {
  int line = 0;     // from 1; 0: not at one place
  std::string key;  // "submission.listen[0].port"; empty: the document as a whole
  std::string reason;
};

struct KnownKey {
  std::string path;           // "submission.listen[].port"
  std::string kind;           // "number", "duration", "size", "text", "path", "yes or no", "list"...
  std::string default_value;  // as it would be written; empty if there is none
  bool given = false;         // the document sets it, somewhere
  std::string range = {};     // of a number, size or duration: "1s to 1h"
};

// What is wrong with a value, or nothing.
using Check = std::optional<std::string> (*)(std::string_view value);

class Section;

class Document {
 public:
  // Relative paths in it are relative to `directory`. A text that is no YAML is one fault.
  Document(const std::string& text, std::string directory);
  ~Document();
  Section root();
  void fault(std::string_view key,
             std::string reason);            // the line is that of the key, or of the nearest above it
  const std::vector<Fault>& faults() const;  // by line
  const std::vector<KnownKey>& known() const;

 private:
  friend class Section;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

template <class T>
struct Choice {
  std::string_view name;
  T value;
};

class Section {
 public:
  Section(Section&&) noexcept;
  ~Section();  // finishes: keys not asked for become faults

  Section section(std::string_view key);
  // A list of mappings: `each` is called for every one, in order.
  void each(std::string_view key, const std::function<void(Section&)>& each);

  void text(std::string_view key, std::string& value, Check check = nullptr);
  void path(std::string_view key, std::string& value);
  void list(std::string_view key, std::vector<std::string>& values, Check check);
  void yes_no(std::string_view key, bool& value);
  void duration(std::string_view key, Duration& value, Duration low, Duration high);
  void decimal(std::string_view key, double& value, double low, double high);
  template <std::unsigned_integral T>
  void number(std::string_view key, T& value, T low, T high) {
    std::uint64_t wide = value;
    whole(key, wide, low, high, false);
    value = static_cast<T>(wide);
  }
  template <std::unsigned_integral T>
  void size(std::string_view key, T& value, T low, T high) {
    std::uint64_t wide = value;
    whole(key, wide, low, high, true);
    value = static_cast<T>(wide);
  }
  template <class T, std::size_t N>
  void choice(std::string_view key, T& value, const Choice<T> (&choices)[N]) {
    std::vector<std::string_view> names;
    std::size_t at = 0;
    for (std::size_t i = 0; i < N; ++i) {
      names.push_back(choices[i].name);
      if (choices[i].value == value) at = i;
    }
    value = choices[one_of(key, at, names)].value;
  }

  bool has(std::string_view key) const;                  // present, whatever its value
  void fault(std::string_view key, std::string reason);  // about this section's key
  const std::string& name() const;                       // "submission.listen[0]"

 private:
  friend class Document;
  struct Impl;
  explicit Section(std::unique_ptr<Impl> impl);
  void whole(std::string_view key, std::uint64_t& value, std::uint64_t low, std::uint64_t high, bool is_size);
  std::size_t one_of(std::string_view key, std::size_t value, std::span<const std::string_view> names);
  std::unique_ptr<Impl> impl_;
};

}  // namespace relay::conf
