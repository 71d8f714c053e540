#include "mta/intake/once.h"

#include <deque>
#include <mutex>
#include <unordered_map>

namespace relay::intake {

struct Once::State {
  struct Waiter {
    Executor* home;
    Ended ended;
  };
  std::mutex mutex;
  std::unordered_map<std::string, std::deque<Waiter>> under_way;

  // All that wait for the key, and it is nobody's then; or the first of them, and it stays taken if there is
  // one.
  std::deque<Waiter> next(const std::string& key, bool all) {
    const std::lock_guard lock(mutex);
    const auto found = under_way.find(key);
    std::deque<Waiter> next;
    if (all || found->second.empty()) {
      next = std::move(found->second);
      under_way.erase(found);
    } else {
      next.push_back(std::move(found->second.front()));
      found->second.pop_front();
    }
    return next;
  }
};

Once::Once() : state_(std::make_shared<State>()) {}

std::variant<Once::Turn, Once::Waits, Once::TooMany> Once::begin(const std::string& key, Executor& home,
                                                                 Ended& ended) {
  const std::lock_guard lock(state_->mutex);
  auto [waiters, first] = state_->under_way.try_emplace(key);
  if (first) return Turn(state_, key);
  if (waiters->second.size() >= most_waiting) return TooMany{};
  waiters->second.push_back({&home, std::move(ended)});
  return Waits{};
}

Once::Turn::~Turn() {
  const auto state = of_.lock();  // nothing: it has been moved from, or the Once is gone
  if (!state) return;
  for (State::Waiter& waiter : state->next(key_, accepted_.has_value())) {
    std::variant<Accepted, Turn> end = accepted_ ? std::variant<Accepted, Turn>(*accepted_) : Turn(of_, key_);
    waiter.home->post(
        [ended = std::move(waiter.ended), end = std::move(end)]() mutable { ended(std::move(end)); });
  }
}

}  // namespace relay::intake
