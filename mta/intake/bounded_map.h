// BoundedMap: values by text, at most so many, in order of their last put(). Whoever adds one more takes out
// the oldest first. Constant time but for erase_if(). Not thread-safe.
#pragma once
#include <cstddef>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace relay::intake {

template <class V>
class BoundedMap {
 public:
  struct Entry {
    std::string key;
    V value;
  };
  V* find(std::string_view key) {
    const auto found = index_.find(key);
    return found != index_.end() ? &found->second->value : nullptr;
  }
  // The value, new or not, and now the youngest.
  V& put(std::string_view key) {
    if (const auto found = index_.find(key); found != index_.end()) {
      entries_.splice(entries_.end(), entries_, found->second);
      return found->second->value;
    }
    entries_.push_back({std::string(key), V{}});
    index_.emplace(entries_.back().key, std::prev(entries_.end()));
    return entries_.back().value;
  }
  bool erase(std::string_view key) {
    const auto found = index_.find(key);
    if (found == index_.end()) return false;
    const auto entry = found->second;
    index_.erase(found);  // its key is the entry's own text
    entries_.erase(entry);
    return true;
  }
  // Those whose key `named` answers true for; how many. Linear time.
  template <class F>
  std::size_t erase_if(F named) {
    std::size_t erased = 0;
    for (auto entry = entries_.begin(); entry != entries_.end();) {
      const auto here = entry++;
      if (!named(std::string_view(here->key))) continue;
      index_.erase(here->key);
      entries_.erase(here);
      ++erased;
    }
    return erased;
  }
  void pop_oldest() { erase(entries_.front().key); }
  void clear() {
    index_.clear();
    entries_.clear();
  }
  bool empty() const { return entries_.empty(); }
  std::size_t size() const { return entries_.size(); }
  const Entry& oldest() const { return entries_.front(); }
  auto begin() { return entries_.begin(); }
  auto end() { return entries_.end(); }
  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }

 private:
  std::list<Entry> entries_;
  std::unordered_map<std::string_view, typename std::list<Entry>::iterator> index_;
};

}  // namespace relay::intake
