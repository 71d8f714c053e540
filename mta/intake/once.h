// Once: of messages that come with the same idempotency key at the same time one is committed, and the others
// wait for what becomes of it. Any thread; bounded by what the ways in have under way.
#pragma once
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "mta/base/loop.h"
#include "mta/intake/result.h"

namespace relay::intake {

class Once {
 public:
  // True: nobody else is under way with the key, and the caller must come to end(). False: `done` was taken
  // and runs on `home`, a loop that outlives this, with the result of the one that is.
  bool begin(const std::string& key, Executor& home, Answer& done);
  // Nobody is under way with the key any more; those who waited are told.
  void end(const std::string& key, const AcceptResult& result);

 private:
  struct Waiter {
    Executor* home;
    Answer done;
  };
  std::mutex mutex_;
  std::unordered_map<std::string, std::vector<Waiter>> under_way_;
};

}  // namespace relay::intake
