#include "mta/base/timer_wheel.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "mta/base/result.h"

namespace relay {
namespace {

std::uint64_t nanoseconds(Instant t) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(t.time_since_epoch().count(), 0));
}

std::uint64_t tick_before(Instant t) { return nanoseconds(t) >> TimerWheel::tick_shift; }

std::uint64_t tick_after(Instant t) {
  constexpr std::uint64_t part = (std::uint64_t{1} << TimerWheel::tick_shift) - 1;
  return (nanoseconds(t) + part) >> TimerWheel::tick_shift;
}

}  // namespace

TimerWheel::TimerWheel(Instant start) : now_tick_(tick_before(start)) {}

TimerId TimerWheel::add(Instant when, Task task) {
  std::uint32_t index = none;
  if (free_.empty()) {
    index = static_cast<std::uint32_t>(entries_.size());
    entries_.emplace_back();
  } else {
    index = free_.back();
    free_.pop_back();
  }
  Entry& e = entries_[index];
  e.task = std::move(task);
  e.tick = tick_after(when);
  place(index);
  ++size_;
  return TimerId{(std::uint64_t{e.generation} << 32) | index};
}

bool TimerWheel::cancel(TimerId id) {
  const auto index = static_cast<std::uint32_t>(id.value);
  const auto generation = static_cast<std::uint32_t>(id.value >> 32);
  if (index >= entries_.size() || entries_[index].generation != generation || entries_[index].list == none)
    return false;
  release(index);
  return true;
}

Instant TimerWheel::next() const {
  const auto slot = earliest();
  if (!slot) return never;
  constexpr std::uint64_t last_tick = static_cast<std::uint64_t>(INT64_MAX) >> tick_shift;
  if (slot->tick > last_tick) return never;
  return Instant(Duration(static_cast<std::int64_t>(slot->tick << tick_shift)));
}

void TimerWheel::advance(Instant now) {
  collect_due(std::max(tick_before(now), now_tick_));
  while (lists_[firing].first != none) {
    // Taken out of the wheel before it runs: it may arm or cancel anything, itself included.
    Task task = release(lists_[firing].first);
    task();
  }
}

void TimerWheel::collect_due(std::uint64_t now_tick) {
  for (auto slot = earliest(); slot && slot->tick <= now_tick; slot = earliest()) {
    now_tick_ = slot->tick;
    while (lists_[slot->list].first != none) {
      const std::uint32_t index = lists_[slot->list].first;
      unlink(index);
      if (slot->level == 0)
        link(index, firing);
      else
        place(index);  // one wheel down, or more
    }
  }
  now_tick_ = now_tick;
}

// All entries of one wheel lie in the present slot of the next wheel, at or after the present position: so
// the first occupied slot of the first wheel that has any is the earliest.
std::optional<TimerWheel::Slot> TimerWheel::earliest() const {
  for (int level = 0; level < levels; ++level) {
    if (occupied_[level] == 0) continue;
    const int position = std::countr_zero(occupied_[level]);
    const int shift = level * level_shift;
    const std::uint64_t turn = now_tick_ >> shift >> level_shift << level_shift << shift;
    return Slot{level, turn + (std::uint64_t(position) << shift),
                static_cast<std::uint32_t>(level * slots + position)};
  }
  return std::nullopt;
}

// The wheel is that of the highest group of six bits in which the entry's tick differs from the present one.
void TimerWheel::place(std::uint32_t index) {
  const std::uint64_t tick = std::max(entries_[index].tick, now_tick_);
  const std::uint64_t differs = tick ^ now_tick_;
  const int level = differs == 0 ? 0 : static_cast<int>(std::bit_width(differs) - 1) / level_shift;
  const auto position = (tick >> (level * level_shift)) & (slots - 1);
  link(index, static_cast<std::uint32_t>(level * slots + static_cast<int>(position)));
}

void TimerWheel::link(std::uint32_t index, std::uint32_t list) {
  Entry& e = entries_[index];
  List& l = lists_[list];
  e.list = list;
  e.previous = l.last;
  e.following = none;
  (l.last == none ? l.first : entries_[l.last].following) = index;
  l.last = index;
  if (list != firing) occupied_[list / slots] |= std::uint64_t{1} << (list % slots);
}

void TimerWheel::unlink(std::uint32_t index) {
  Entry& e = entries_[index];
  List& l = lists_[e.list];
  (e.previous == none ? l.first : entries_[e.previous].following) = e.following;
  (e.following == none ? l.last : entries_[e.following].previous) = e.previous;
  if (l.first == none && e.list != firing)
    occupied_[e.list / slots] &= ~(std::uint64_t{1} << (e.list % slots));
  e.list = none;
}

Task TimerWheel::release(std::uint32_t index) {
  unlink(index);
  Entry& e = entries_[index];
  Task task = std::exchange(e.task, nullptr);
  if (++e.generation == 0) e.generation = 1;  // so that no id is 0
  free_.push_back(index);
  --size_;
  return task;
}

}  // namespace relay
