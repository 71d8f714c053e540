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

Watch::Watch(Store& store, const Live& live, std::string directory, std::uint64_t interval)
    : store_(store), live_(live), directory_(std::move(directory)), interval_(interval) {
  fmt::print(
      "{:>8} {:>6} {:>7}  {:>7} {:>7} {:>7} {:>7} {:>7} {:>6}  {:>6} {:>6} {:>7}  {:>6} {:>7} {:>7} {:>6}\n",
      "accepted", "live", "live MB", "file MB", "used MB", "free MB", "longest", "runs", "lists", "msg/s",
      "MB/s", "written", "p50 ms", "p99 ms", "max ms", "CPU us");
}

Result<Applied> Watch::apply(std::span<const Operation> batch) {
  const auto begin = Steady::now();
  auto applied = store_.apply(batch);
  if (!applied) return applied;
  now_.commits.push_back(since(begin));
  for (const auto& operation : batch)
    if (const auto* accept = std::get_if<Accept>(&operation)) {
      ++now_.messages;
      now_.bytes += accept->message->size;
    }
  if (now_.messages >= interval_) row();
  return applied;
}

void Watch::row() {
  const double seconds = since(now_.start);
  const double cpu = process_cpu() - now_.cpu;
  const auto messages = static_cast<double>(now_.messages);
  const auto bytes = static_cast<double>(now_.bytes);
  const auto written = static_cast<double>(bytes_written() - now_.written);
  const Look look = look_at(directory_);
  messages_ += now_.messages;
  const auto mega = [](auto of) { return static_cast<double>(of) / 1e6; };
  // Longest and runs in pages; lists are records of the list of free pages; written is times the bytes
  // accepted.
  fmt::print(
      "{:>8} {:>6} {:>7.0f}  {:>7.0f} {:>7.0f} {:>7.0f} {:>7} {:>7} {:>6}  {:>6.0f} {:>6.1f} {:>7.2f}  "
      "{:>6.2f} "
      "{:>7.2f} {:>7.1f} {:>6.1f}\n",
      messages_, live_.messages(), mega(live_.bytes()), mega(look.file_bytes), mega(look.used_bytes),
      mega(look.free_bytes), look.longest_run, look.runs, look.list_records, messages / seconds,
      mega(now_.bytes) / seconds, written / bytes, quantile(now_.commits, 0.5) * 1e3,
      quantile(now_.commits, 0.99) * 1e3, quantile(now_.commits, 1) * 1e3, cpu * 1e6 / messages);
  std::fflush(stdout);
  rows_.push_back({messages / seconds, static_cast<double>(look.used_bytes)});
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
  const std::size_t last = rows_.size() - third;
  fmt::print("last third, of the second third: rate {:.2f}, file {:.2f}\n",
             median(last, &Row::messages_per_s) / median(third, &Row::messages_per_s),
             median(last, &Row::used_bytes) / median(third, &Row::used_bytes));
}

}  // namespace relay::bench
