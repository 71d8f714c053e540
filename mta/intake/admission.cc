#include "mta/intake/admission.h"

#include <utility>

#include "mta/base/network.h"

namespace relay {
namespace {

std::uint64_t share(std::uint32_t sessions, std::uint32_t per_cent) {
  return std::uint64_t{sessions} * per_cent / 100;
}

}  // namespace

std::unique_ptr<Admission::Place> Admission::enter() {
  std::uint32_t before = sessions_.load(std::memory_order_relaxed);
  do {
    if (before >= limits_.sessions) return nullptr;
  } while (!sessions_.compare_exchange_weak(before, before + 1, std::memory_order_relaxed));
  if (before + 1 > share(limits_.sessions, limits_.pressed_from) && !pressed_.exchange(true)) tell();
  return std::unique_ptr<Place>(new Place(*this));
}

void Admission::tell() const {
  for (const auto& told : told_) told();
}

void Admission::leave() {
  const std::uint32_t left = sessions_.fetch_sub(1, std::memory_order_relaxed) - 1;
  if (left < share(limits_.sessions, limits_.pressed_until) || left == 0)
    pressed_.store(false, std::memory_order_relaxed);
}

bool Admission::Counts::add(const std::string& name, std::uint32_t limit) {
  const std::lock_guard lock(mutex_);
  std::uint32_t& count = counts_[name];
  if (limit > 0 && count >= limit) return false;  // so it was there before
  ++count;
  return true;
}

void Admission::Counts::remove(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto found = counts_.find(name);
  if (--found->second == 0) counts_.erase(found);
}

Admission::Place::~Place() {
  if (!address_.empty()) of_.addresses_.remove(address_);
  if (!key_.empty()) of_.keys_.remove(key_);
  of_.leave();
}

bool Admission::Place::take_address(std::string_view address) {
  if (of_.limits_.per_address == 0) return true;
  std::string counted = neighbourhood(address);
  if (counted.empty() || counted == address_) return true;
  if (!of_.addresses_.add(counted, of_.limits_.per_address)) return false;
  if (const std::string before = std::exchange(address_, std::move(counted)); !before.empty())
    of_.addresses_.remove(before);
  return true;
}

bool Admission::Place::take_key(const std::string& key, std::uint32_t limit) {
  if (key == key_) return true;
  if (!of_.keys_.add(key, limit)) return false;
  if (const std::string before = std::exchange(key_, key); !before.empty()) of_.keys_.remove(before);
  return true;
}

}  // namespace relay
