// Once: of messages that come with the same idempotency key at the same time one is tried, and the others
// wait for what becomes of it. Any thread.
//
// If it is accepted, its answer is true for all of them. If it is not, that says nothing of the others, whose
// API keys and limits may be others: then the turn passes to the one that has waited longest, which is told
// so on its loop, and the rest go on waiting. So however many there are, each is told once.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "mta/base/loop.h"
#include "mta/intake/result.h"

namespace relay::intake {

class Once {
 private:
  struct State;

 public:
  // How many may wait for one key. Each holds its content in memory, of a size that nothing else bounds now;
  // a client that has lost its connection and tries again has two or three under way.
  static constexpr std::size_t most_waiting = 8;

  // Being the one under way with a key, for as long as it exists: however that ends, the others are told, or
  // the next of them gets the turn. May outlive the Once.
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

  // What waiting has come to: the message that another's turn has ended with, or the turn.
  using Ended = std::move_only_function<void(std::variant<Accepted, Turn>)>;

  struct Waits {};    // `ended` was taken, and runs on `home`, a loop that outlives this
  struct TooMany {};  // that wait; `ended` was not taken
  std::variant<Turn, Waits, TooMany> begin(const std::string& key, Executor& home, Ended& ended);

  Once();

 private:
  std::shared_ptr<State> state_;
};

}  // namespace relay::intake
