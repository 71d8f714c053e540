#include "tests/bench/watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <utility>
#include <variant>

namespace relay::bench {

using namespace relay::spool;

void Live::opened(const MessageId& id, std::uint32_t recipients, std::uint64_t bytes) {
  open_.emplace(id, Open{recipients, bytes});
  ++messages_, bytes_ += bytes;
}

void Live::closed(const MessageId& id) {
  const auto found = open_.find(id);
  if (--found->second.recipients > 0) return;
  --messages_, bytes_ -= found->second.bytes;
  open_.erase(found);
}

// In the rows: `longest` and `runs` are of free pages, in pages; `lists` are records of LMDB's list of them;
// `written` is bytes given to write(2), raw LMDB's too, for each byte accepted.
Watch::Watch(Store& store, const Live& live, std::string directory, const std::string& probe,
             std::uint64_t interval)
    : store_(store), live_(live), directory_(std::move(directory)), probe_(probe), interval_(interval) {
  fmt::print("{:>8} {:>6} {:>7}  {:>7} {:>7} {:>7} {:>7} {:>6} {:>5}  {:>6} {:>6} {:>7} {:>7}  ", "accepted",
             "live", "live MB", "file MB", "used MB", "free MB", "longest", "runs", "lists", "msg/s", "MB/s",
             "of LMDB", "written");
  fmt::print("{:>6} {:>7} {:>7} {:>6}\n", "p50 ms", "p99 ms", "max ms", "CPU us");
}

Result<Applied> Watch::apply(std::span<const Operation> batch) {
  const auto begin = Steady::now();
  auto applied = store_.apply(batch);
  if (!applied) return applied;
  now_.commits.push_back(since(begin));
  now_.seconds += now_.commits.back();
  std::uint64_t messages = 0, bytes = 0;
  for (const auto& operation : batch)
    if (const auto* accept = std::get_if<Accept>(&operation)) ++messages, bytes += accept->message->size;
  now_.messages += messages, now_.bytes += bytes;
  constexpr std::size_t commits_a_probe = 5;
  if (messages > 0 && now_.commits.size() % commits_a_probe == 0) {
    now_.probe_seconds += probe_.commit(Keep::turnover, bytes / messages, messages);
    now_.probe_bytes += static_cast<double>(bytes);
  }
  if (now_.messages >= interval_) row();
  return applied;
}

void Watch::row() {
  const double seconds = since(now_.start) - now_.probe_seconds;
  const double cpu = process_cpu() - now_.cpu;
  const auto messages = static_cast<double>(now_.messages);
  const auto bytes = static_cast<double>(now_.bytes);
  const auto written = static_cast<double>(bytes_written() - now_.written);
  const Look look = look_at(directory_);
  const double of_lmdb = bytes / now_.seconds / (now_.probe_bytes / now_.probe_seconds);
  messages_ += now_.messages;
  const auto mega = [](auto of) { return static_cast<double>(of) / 1e6; };
  fmt::print("{:>8} {:>6} {:>7.0f}  {:>7.0f} {:>7.0f} {:>7.0f} {:>7} {:>6} {:>5}  ", messages_,
             live_.messages(), mega(live_.bytes()), mega(look.file_bytes), mega(look.used_bytes),
             mega(look.free_bytes), look.longest_run, look.runs, look.list_records);
  fmt::print("{:>6.0f} {:>6.1f} {:>7.2f} {:>7.2f}  {:>6.2f} {:>7.2f} {:>7.1f} {:>6.1f}\n", messages / seconds,
             mega(now_.bytes) / seconds, of_lmdb, written / bytes, quantile(now_.commits, 0.5) * 1e3,
             quantile(now_.commits, 0.99) * 1e3, quantile(now_.commits, 1) * 1e3, cpu * 1e6 / messages);
  std::fflush(stdout);
  rows_.push_back({of_lmdb, cpu / messages, static_cast<double>(look.used_bytes)});
  now_ = Interval{};
}

void Watch::summary() const {
  const std::size_t third = rows_.size() / 3;
  if (third == 0) return;
  const auto median = [&](std::size_t from, double Row::* member) {
    std::vector<double> values;
    for (std::size_t i = from; i < from + third; ++i) values.push_back(rows_[i].*member);
    return quantile(values, 0.5);
  };
  const auto change = [&](double Row::* member) {
    return median(rows_.size() - third, member) / median(third, member);
  };
  fmt::print("last third, of the second: MB/s beside raw LMDB {:.2f}, CPU {:.2f}, file {:.2f}\n",
             change(&Row::of_lmdb), change(&Row::cpu), change(&Row::used_bytes));
}

}  // namespace relay::bench
