#include "tests/crash/point.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "spool/inspect/check.h"
#include "spool/lmdb.h"
#include "spool/writer.h"
#include "tests/crash/plan.h"
#include "tests/unit/support/test_loop.h"

namespace relay::crash {
namespace {

constexpr int exit_no_store = 3;
constexpr int exit_hung = 4;

std::string spool_of(const std::string& directory) { return directory + "/spool"; }
std::string plan_of(const std::string& directory) { return directory + "/plan"; }
std::string counts_of(const std::string& directory) { return directory + "/counts"; }

spool::LmdbSettings settings(const std::string& directory, spool::Durability durability) {
  return {.directory = spool_of(directory),
          .map_bytes = 64u << 20,
          .reserve_bytes = 1u << 20,
          .durability = durability};
}

Answer answer(const Result<void>& result) {
  if (result) return Answer::stored;
  const Errc code = result.error().code;
  return code == Errc::full || code == Errc::unavailable ? Answer::refused : Answer::failed;
}

std::uint64_t interfered(const std::string& directory) {
  Counts counts;
  std::ifstream file(counts_of(directory), std::ios::binary);
  file.read(reinterpret_cast<char*>(&counts), sizeof counts);
  return counts.interfered;
}

}  // namespace

struct Bench::Ledger {
  std::atomic<std::uint32_t> submitted;
  std::array<std::atomic<Answer>, most_steps> answers;
};

void set_environment(const std::string& directory) {
  std::filesystem::remove(counts_of(directory));
  ::setenv("RELAY_FAULT_FILE", (spool_of(directory) + "/data.mdb").c_str(), 1);
  ::setenv("RELAY_FAULT_PLAN", plan_of(directory).c_str(), 1);
  ::setenv("RELAY_FAULT_COUNTS", counts_of(directory).c_str(), 1);
}

Bench::Bench(std::string directory) : directory_(std::move(directory)) {
  std::filesystem::create_directories(directory_);
  void* shared = ::mmap(nullptr, sizeof(Ledger), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  RELAY_ASSERT(shared != MAP_FAILED);
  ledger_ = static_cast<Ledger*>(shared);
}

Bench::~Bench() { ::munmap(ledger_, sizeof(Ledger)); }

void Bench::fresh() {
  std::filesystem::remove_all(spool_of(directory_));
  model_ = {};
}

// Renamed into place, so that the shim never sees half of it.
void Bench::put_plan(const std::string& plan) const {
  const std::string path = plan_of(directory_);
  std::ofstream(path + ".new") << plan << '\n';
  std::filesystem::rename(path + ".new", path);
}

// The child.
void Bench::work(const std::vector<Step>& steps) const {
  const int log = ::open((directory_ + "/log").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  ::dup2(log, STDERR_FILENO);
  auto store = spool::open_lmdb(settings(directory_, spool::Durability::sync));
  if (!store) {
    fmt::print(stderr, "{}\n", store.error().message);
    ::_exit(exit_no_store);
  }
  test::TestLoop loop;
  std::size_t open = 0;
  {
    spool::ThreadWriter writer(
        **store, {.linger = std::chrono::milliseconds(1), .full_pause = std::chrono::milliseconds(1)});
    for (std::size_t i = 0; i < steps.size(); ++i) {
      if (steps[i].pause && !loop.run_until([&] { return open == 0; })) ::_exit(exit_hung);
      spool::Committed done;
      if (steps[i].waits) {
        ++open;
        done = [&open, &at = ledger_->answers[i]](const Result<void>& result) {
          at = answer(result);
          --open;
        };
      }
      ledger_->submitted = static_cast<std::uint32_t>(i + 1);
      RELAY_ASSERT(writer.submit(operation(steps[i]), loop, std::move(done)));
    }
    if (!loop.run_until([&] { return open == 0; })) ::_exit(exit_hung);
  }
  store->reset();
  ::_exit(0);
}

Result<bool> Bench::run(const std::string& plan, std::size_t count, Rng& rng) {
  RELAY_ASSERT(count <= most_steps);
  std::vector<Step> steps;
  Model expected = model_;
  while (steps.size() < count) {
    steps.push_back(expected.propose(rng));
    expected.apply(steps.back());
  }
  ledger_->submitted = 0;
  for (auto& each : ledger_->answers) each = Answer::none;
  const std::uint64_t before = interfered(directory_);
  put_plan(plan);
  const pid_t child = ::fork();
  RELAY_ASSERT(child >= 0);
  if (child == 0) work(steps);
  int status = 0;
  RELAY_ASSERT(::waitpid(child, &status, 0) == child);
  std::filesystem::remove(plan_of(directory_));
  const bool hit = interfered(directory_) > before;
  const bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  const bool ended =
      WIFEXITED(status) && (WEXITSTATUS(status) == 0 || (hit && WEXITSTATUS(status) == exit_no_store));
  if (!killed && !ended) return fail(Errc::system, fmt::format("the child ended with status {:#x}", status));
  if (hit) ++tally_.points;
  if (killed) ++tally_.kills;
  if (auto r = verify(steps, plan.starts_with("meta")); !r) return std::unexpected(r.error());
  return hit;
}

// Everything of spool/FORMAT.md and of LMDB's pages. Half of a meta page is never the newest: its last field
// makes it count.
Result<void> Bench::check(bool torn_meta) const {
  const auto file = spool::SpoolFile::open(spool_of(directory_));
  if (!file) return std::unexpected(file.error());
  std::optional<std::string> first;
  const auto note = [&](const spool::Fault& fault) {
    if (!first && !(torn_meta && fault.kind == spool::FaultKind::meta_page))
      first = fmt::format("{}: {}", text(fault.kind), fault.what);
  };
  const auto report = spool::check_spool(**file, {}, note, [](std::uint64_t, std::uint64_t) {});
  if (!report) return std::unexpected(report.error());
  if (!first) return {};
  return fail(Errc::corrupt, fmt::format("{} faults, the first: {}", report->faults, *first));
}

// The writer keeps the order of submission, so what is in the spool is the work up to some step: at least to
// the last that was acknowledged, and none of what was refused.
Result<void> Bench::verify(const std::vector<Step>& steps, bool torn_meta) {
  const std::size_t submitted = ledger_->submitted;
  std::size_t acknowledged = 0;
  bool failed = false;
  for (std::size_t i = 0; i < submitted; ++i) {
    const Answer is = ledger_->answers[i];
    if (is == Answer::stored) {
      if (failed) return fail(Errc::corrupt, fmt::format("step {} is acknowledged after a final error", i));
      acknowledged = i + 1;
      ++tally_.stored;
    }
    if (is == Answer::refused) ++tally_.refused;
    if (is == Answer::failed) failed = true, ++tally_.failed;
  }
  const auto store = spool::open_lmdb(settings(directory_, spool::Durability::none));
  if (!store) return std::unexpected(store.error());
  if (auto r = check(torn_meta); !r) return r;
  const auto size = Model::size_of(**store);
  if (!size) return std::unexpected(size.error());
  std::string nearest = "the counts of no step";
  for (std::size_t i = 0; i <= submitted; ++i) {
    if (i >= acknowledged && model_.size() == *size) {
      const auto difference = model_.difference(**store);
      if (!difference) {
        tally_.in_doubt += submitted - acknowledged;
        tally_.kept += i - acknowledged;
        return {};
      }
      nearest = fmt::format("after step {}: {}", i, *difference);
    }
    if (i < submitted && ledger_->answers[i] != Answer::refused) model_.apply(steps[i]);
  }
  return fail(
      Errc::corrupt,
      fmt::format("{} steps were submitted, {} were acknowledged, and the spool is not what any number "
                  "between them makes of it: {}; it has {} messages, {} open recipients, {} events",
                  submitted, acknowledged, nearest, size->messages, size->open, size->events));
}

}  // namespace relay::crash
