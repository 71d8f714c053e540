// Once: of messages that come with the same idempotency key at the same time one is tried, and the others
// wait for what becomes of it. Any thread; bounded by what the ways in have under way.
//
// If it is accepted, its answer is true for all of them. If it is not, that says nothing of the others, whose
// API keys and limits may be others: each tries for itself then.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "mta/base/loop.h"
#include "mta/intake/result.h"

namespace relay::intake {

class Once {
 private:
  struct State;

 public:
  // Being the one under way with a key, for as long as it exists: however that ends, the others are told.
  // May outlive the Once.
  class Turn {
   public:
    Turn(Turn&& other) noexcept = default;
    Turn& operator=(Turn&&) = delete;
    ~Turn();
    void accepted(const Accepted& as) { accepted_ = as; }

   private:
    friend class Once;
    Turn(std::weak_ptr<State> of, std::string key) : of_(std::move(of)), key_(std::move(key)) {}
    std::weak_ptr<State> of_;
    std::string key_;  // meaningless once it is another's
    std::optional<Accepted> accepted_;
  };

  // What another's turn has come to: the message it has ended with, or nothing.
  using Ended = std::move_only_function<void(std::optional<Accepted>)>;

  Once();
  // The turn, if nobody else has it. Else nothing: `ended` was taken and runs on `home`, a loop that outlives
  // this, when the turn has ended.
  std::optional<Turn> begin(const std::string& key, Executor& home, Ended& ended);

 private:
  std::shared_ptr<State> state_;
};

}  // namespace relay::intake
