#include "mta/intake/once.h"

#include <mutex>
#include <unordered_map>
#include <vector>

namespace relay::intake {

struct Once::State {
  struct Waiter {
    Executor* home;
    Ended ended;
  };
  std::mutex mutex;
  std::unordered_map<std::string, std::vector<Waiter>> under_way;
};

Once::Once() : state_(std::make_shared<State>()) {}

std::optional<Once::Turn> Once::begin(const std::string& key, Executor& home, Ended& ended) {
  const std::lock_guard lock(state_->mutex);
  auto [waiters, first] = state_->under_way.try_emplace(key);
  if (first) return Turn(state_, key);
  waiters->second.push_back({&home, std::move(ended)});
  return std::nullopt;
}

Once::Turn::~Turn() {
  const auto state = of_.lock();  // nothing: it has been moved from, or the Once is gone
  if (!state) return;
  std::vector<State::Waiter> waiters;
  {
    const std::lock_guard lock(state->mutex);
    auto found = state->under_way.extract(key_);
    waiters = std::move(found.mapped());
  }
  for (State::Waiter& waiter : waiters)
    waiter.home->post([ended = std::move(waiter.ended), accepted = accepted_]() mutable { ended(accepted); });
}

}  // namespace relay::intake
