#include "mta/intake/once.h"

#include <utility>

namespace relay::intake {

bool Once::begin(const std::string& key, Executor& home, Answer& done) {
  const std::lock_guard lock(mutex_);
  auto [waiters, first] = under_way_.try_emplace(key);
  if (!first) waiters->second.push_back({&home, std::move(done)});
  return first;
}

void Once::end(const std::string& key, const AcceptResult& result) {
  std::vector<Waiter> waiters;
  {
    const std::lock_guard lock(mutex_);
    const auto found = under_way_.find(key);
    waiters = std::move(found->second);
    under_way_.erase(found);
  }
  for (Waiter& waiter : waiters)
    waiter.home->post([done = std::move(waiter.done), result]() mutable { done(result); });
}

}  // namespace relay::intake
