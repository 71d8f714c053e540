#include "spool/lmdb_order.h"

#include <algorithm>
#include <variant>

namespace relay::spool {
namespace {

struct Place {
  const MessageId* message;
  std::uint32_t position;
};

const MessageId* message_of(const Operation& operation) {
  struct Visitor {
    const MessageId* operator()(const Accept& o) const { return &o.message->id; }
    const MessageId* operator()(const Attempted& o) const { return &o.ref.message; }
    const MessageId* operator()(const SetStatus& o) const { return &o.ref.message; }
    const MessageId* operator()(const Restore& o) const { return &o.message->id; }
    const MessageId* operator()(const PutKey&) const { return nullptr; }
    const MessageId* operator()(const Purge&) const { return nullptr; }
  };
  return std::visit(Visitor{}, operation);
}

}  // namespace

std::vector<std::uint32_t> order_of(std::span<const Operation> batch) {
  std::vector<std::uint32_t> order;
  std::vector<Place> run;
  order.reserve(batch.size());
  run.reserve(batch.size());
  const auto end_run = [&] {
    std::sort(run.begin(), run.end(), [](const Place& a, const Place& b) {
      return *a.message == *b.message ? a.position < b.position : *a.message < *b.message;
    });
    for (const Place& place : run) order.push_back(place.position);
    run.clear();
  };
  for (std::uint32_t position = 0; position < batch.size(); ++position) {
    if (const MessageId* message = message_of(batch[position]); message != nullptr) {
      run.push_back({message, position});
      continue;
    }
    end_run();
    order.push_back(position);
  }
  end_run();
  return order;
}

}  // namespace relay::spool
