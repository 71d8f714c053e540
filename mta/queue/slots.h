// Slots: values in numbered places that are used again. A number stays with its value until remove(); the
// generation tells a place's values apart, for whoever keeps a number longer than that (callbacks). Addresses
// of values are stable while they live. One thread.
#pragma once
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "mta/base/result.h"

namespace relay::queue {

using Slot = std::uint32_t;
inline constexpr Slot no_slot = UINT32_MAX;

// A slot kept across turns.
struct Handle {
  Slot slot = no_slot;
  std::uint32_t generation = 0;
};

template <class T>
class Slots {
 public:
  Slot add(T value) {
    Slot slot;
    if (free_.empty()) {
      slot = static_cast<Slot>(cells_.size());
      RELAY_ASSERT(slot != no_slot);
      cells_.emplace_back();
    } else {
      slot = free_.back();
      free_.pop_back();
    }
    cells_[slot].value = std::move(value);
    ++cells_[slot].generation;  // odd: in use
    return slot;
  }
  void remove(Slot slot) {
    RELAY_ASSERT(used(slot));
    cells_[slot].value = T{};
    ++cells_[slot].generation;
    free_.push_back(slot);
  }
  T& operator[](Slot slot) { return cells_[slot].value; }
  const T& operator[](Slot slot) const { return cells_[slot].value; }
  std::size_t size() const { return cells_.size() - free_.size(); }
  Slot end() const { return static_cast<Slot>(cells_.size()); }  // beyond every slot ever used
  bool used(Slot slot) const { return slot < cells_.size() && cells_[slot].generation % 2 == 1; }
  std::uint32_t generation(Slot slot) const { return cells_[slot].generation; }
  bool is(Slot slot, std::uint32_t generation) const {
    return used(slot) && cells_[slot].generation == generation;
  }
  // Every slot in use, in order; `f` may remove the one it is given.
  template <class F>
  void for_each(F f) {
    for (Slot slot = 0; slot < cells_.size(); ++slot)
      if (used(slot)) f(slot);
  }

 private:
  struct Cell {
    T value{};
    std::uint32_t generation = 0;
  };
  std::deque<Cell> cells_;
  std::vector<Slot> free_;
};

}  // namespace relay::queue
