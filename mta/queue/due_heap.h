// DueHeap: which slot is due next. A binary heap of 16-byte entries that knows each slot's place, so that one
// can be moved or taken out; 20 bytes a waiting recipient. Equal times come out by slot, so a run is
// repeatable. One thread.
#pragma once
#include <optional>
#include <utility>
#include <vector>

#include "mta/base/clock.h"
#include "mta/queue/slots.h"

namespace relay::queue {

class DueHeap {
 public:
  // Adds the slot, or moves it to another time.
  void put(Slot slot, Instant due) {
    remove(slot);
    if (slot >= places_.size()) places_.resize(slot + 1, nowhere);
    heap_.push_back({due, slot});
    places_[slot] = static_cast<std::uint32_t>(heap_.size() - 1);
    rise(heap_.size() - 1);
  }
  void remove(Slot slot) {  // nothing if it is not there
    if (!contains(slot)) return;
    const std::size_t at = places_[slot];
    places_[slot] = nowhere;
    const Entry last = heap_.back();
    heap_.pop_back();
    if (at == heap_.size()) return;
    set(at, last);
    rise(at);
    sink(places_[last.slot]);
  }
  bool contains(Slot slot) const { return slot < places_.size() && places_[slot] != nowhere; }
  Instant due(Slot slot) const { return heap_[places_[slot]].due; }  // only of one that is there
  Instant earliest() const { return heap_.empty() ? never : heap_.front().due; }
  std::size_t size() const { return heap_.size(); }
  std::optional<Slot> pop_due(Instant now) {
    if (heap_.empty() || heap_.front().due > now) return std::nullopt;
    const Slot slot = heap_.front().slot;
    remove(slot);
    return slot;
  }

 private:
  struct Entry {
    Instant due;
    Slot slot;
    friend bool operator<(const Entry& a, const Entry& b) {
      return a.due != b.due ? a.due < b.due : a.slot < b.slot;
    }
  };
  static constexpr std::uint32_t nowhere = UINT32_MAX;

  void set(std::size_t at, const Entry& entry) {
    heap_[at] = entry;
    places_[entry.slot] = static_cast<std::uint32_t>(at);
  }
  void exchange(std::size_t a, std::size_t b) {
    const Entry kept = heap_[a];
    set(a, heap_[b]);
    set(b, kept);
  }
  void rise(std::size_t at) {
    for (; at > 0 && heap_[at] < heap_[(at - 1) / 2]; at = (at - 1) / 2) exchange(at, (at - 1) / 2);
  }
  void sink(std::size_t at) {
    for (;;) {
      std::size_t least = at;
      for (std::size_t child = 2 * at + 1; child <= 2 * at + 2 && child < heap_.size(); ++child)
        if (heap_[child] < heap_[least]) least = child;
      if (least == at) return;
      exchange(at, least);
      at = least;
    }
  }

  std::vector<Entry> heap_;
  std::vector<std::uint32_t> places_;
};

}  // namespace relay::queue
