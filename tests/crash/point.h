// Point: a child process works on a spool through Store and ThreadWriter until a plan (plan.h) kills it or
// fails a call of it; then the parent holds what the child was told against what is in the spool.
//
// The ledger lies in memory that both share, so a SIGKILL takes nothing of it away. The fault shim is linked
// into the program and is told by the environment of the directory's spool and plan. One thread in the
// parent: it forks.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "mta/base/result.h"
#include "tests/crash/model.h"

namespace relay::crash {

constexpr std::size_t most_steps = 512;  // of one child

enum class Answer : std::uint8_t { none, stored, refused, failed };

struct Tally {
  std::uint64_t points = 0;    // calls that were interfered with
  std::uint64_t kills = 0;     // of them SIGKILL
  std::uint64_t stored = 0;    // operations acknowledged
  std::uint64_t refused = 0;   // with full or unavailable
  std::uint64_t failed = 0;    // with a final error
  std::uint64_t in_doubt = 0;  // not acknowledged when the child ended
  std::uint64_t kept = 0;      // of them in the spool all the same
};

class Bench {
 public:
  explicit Bench(std::string directory);  // made if missing; "spool" and "plan" in it are ours
  ~Bench();

  void fresh();  // an empty spool
  // Does `steps` operations under the plan. False: it ended before the plan's call came. An error says what
  // is wrong with the spool afterwards.
  Result<bool> run(const std::string& plan, std::size_t steps, Rng& rng);
  const Tally& tally() const { return tally_; }
  std::size_t messages() const { return model_.messages(); }

 private:
  struct Ledger;
  [[noreturn]] void work(const std::vector<Step>& steps) const;
  void put_plan(const std::string& plan) const;
  Result<void> check(bool torn_meta) const;
  Result<void> verify(const std::vector<Step>& steps, bool torn_meta);

  std::string directory_;
  Model model_;
  Tally tally_;
  Ledger* ledger_;  // mapped
};

// For the shim, before the first call of the process.
void set_environment(const std::string& directory);

}  // namespace relay::crash
