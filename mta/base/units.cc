#include "mta/base/units.h"

#include <fmt/format.h>

#include <limits>
#include <optional>
#include <span>

namespace relay {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

// Largest first: the order in which a duration must name them.
constexpr Unit duration_units[] = {
    {"d", 86'400'000'000'000}, {"h", 3'600'000'000'000}, {"m", 60'000'000'000},
    {"s", 1'000'000'000},      {"ms", 1'000'000},
};
constexpr Unit size_units[] = {
    {"TiB", 1ull << 40},
    {"GiB", 1ull << 30},
    {"MiB", 1ull << 20},
    {"KiB", 1ull << 10},
    {"TB", 1'000'000'000'000},
    {"GB", 1'000'000'000},
    {"MB", 1'000'000},
    {"kB", 1'000},
    {"KB", 1'000},
    {"B", 1},
};
constexpr auto limit = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

// Unlike std::isdigit these do not depend on the locale.
bool digit(char c) { return c >= '0' && c <= '9'; }
bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

template <class Accept>
std::string_view take_while(std::string_view& text, Accept accept) {
  std::size_t n = 0;
  while (n < text.size() && accept(text[n])) ++n;
  const std::string_view taken = text.substr(0, n);
  text.remove_prefix(n);
  return taken;
}

const Unit* find_unit(std::span<const Unit> units, std::string_view name) {
  for (const auto& unit : units)
    if (unit.name == name) return &unit;
  return nullptr;
}

// whole.fraction * factor without floating point; nothing if it does not fit. Digits finer than one are cut.
std::optional<std::uint64_t> scale(std::string_view whole, std::string_view fraction, std::uint64_t factor) {
  std::uint64_t n = 0;
  for (const char c : whole) {
    const auto d = static_cast<std::uint64_t>(c - '0');
    if (n > (limit - d) / 10) return std::nullopt;
    n = n * 10 + d;
  }
  if (n > limit / factor) return std::nullopt;
  n *= factor;
  // From the last digit on, so that cutting to whole numbers loses nothing until the end.
  std::uint64_t part = 0;
  for (auto c = fraction.rbegin(); c != fraction.rend(); ++c)
    part = (static_cast<std::uint64_t>(*c - '0') * factor + part) / 10;
  if (n > limit - part) return std::nullopt;
  n += part;
  return n;
}

struct Part {
  std::uint64_t value = 0;
  const Unit* unit = nullptr;
};

// One number with its unit from the front of `text`.
Result<Part> take_part(std::string_view& text, std::span<const Unit> units, std::string_view example) {
  const std::string_view whole = take_while(text, digit);
  std::string_view fraction;
  bool point = false;
  if (!text.empty() && text.front() == '.') {
    point = true;
    text.remove_prefix(1);
    fraction = take_while(text, digit);
  }
  if (whole.empty() || (point && fraction.empty()))
    return fail(Errc::invalid, fmt::format("is not a number with a unit, such as {}", example));
  take_while(text, [](char c) { return c == ' '; });
  const std::string_view name = take_while(text, letter);
  if (name.empty()) return fail(Errc::invalid, fmt::format("lacks a unit; write for example {}", example));
  const Unit* unit = find_unit(units, name);
  if (unit == nullptr) {
    std::string known;
    for (const auto& u : units) known += (known.empty() ? "" : ", ") + std::string(u.name);
    return fail(Errc::invalid, fmt::format("has the unknown unit \"{}\"; there are {}", name, known));
  }
  const auto value = scale(whole, fraction, unit->factor);
  if (!value) return fail(Errc::invalid, "is too large");
  return Part{*value, unit};
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  if (text == "0") return Duration::zero();
  std::uint64_t total = 0;
  const Unit* last = nullptr;
  do {
    const auto part = take_part(text, duration_units, "20m or 1h30m");
    if (!part) return std::unexpected(part.error());
    if (last != nullptr && part->unit <= last)
      return fail(Errc::invalid, "must name each unit once, the largest first");
    last = part->unit;
    if (total > limit - part->value) return fail(Errc::invalid, "is too large");
    total += part->value;
  } while (!text.empty());
  return Duration(static_cast<std::int64_t>(total));
}

Result<std::uint64_t> parse_size(std::string_view text) {
  if (text == "0") return 0;
  const auto part = take_part(text, size_units, "25MB or 64KiB");
  if (!part) return std::unexpected(part.error());
  if (!text.empty()) return fail(Errc::invalid, "must be one number with one unit");
  return part->value;
}

std::string format_duration(Duration d) {
  if (d == Duration::zero()) return "0";
  auto rest = static_cast<std::uint64_t>(d.count());
  std::string text;
  for (const auto& unit : duration_units) {
    const std::uint64_t whole = rest / unit.factor;
    rest %= unit.factor;
    const bool finer = rest != 0 && unit.name == "ms";  // there is no smaller unit
    if (finer) {
      text += fmt::format("{}.{:06}ms", whole, rest);
    } else if (whole != 0) {
      text += fmt::format("{}{}", whole, unit.name);
    }
  }
  return text;
}

std::string format_size(std::uint64_t bytes) {
  if (bytes == 0) return "0";
  std::string text;
  for (const auto& unit : size_units) {
    if (bytes % unit.factor != 0) continue;
    const std::string with = fmt::format("{}{}", bytes / unit.factor, unit.name);
    if (text.empty() || with.size() < text.size()) text = with;
  }
  return text;
}

}  // namespace relay
