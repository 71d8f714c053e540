// The scheduler's tables by themselves; what they do together is in tests/sim.
#include <doctest/doctest.h>

#include <algorithm>

#include "mta/base/rng.h"
#include "mta/queue/due_heap.h"
#include "mta/queue/open_recipients.h"
#include "mta/queue/site.h"

using namespace relay;
using namespace relay::queue;
using namespace std::chrono_literals;

namespace {

MessageId message(std::uint8_t n) {
  MessageId id;
  id.bytes[15] = n;
  return id;
}

std::vector<std::string> addresses(const std::vector<net::Target>& targets) {
  std::vector<std::string> all;
  for (const auto& t : targets) all.push_back(t.address);
  return all;
}

}  // namespace

TEST_CASE("slots are used again under another generation") {
  Slots<int> slots;
  const Slot a = slots.add(1), b = slots.add(2);
  const auto generation = slots.generation(a);
  slots.remove(a);
  CHECK(!slots.used(a));
  CHECK(!slots.is(a, generation));
  CHECK(slots.add(3) == a);
  CHECK(!slots.is(a, generation));
  CHECK(slots.is(a, slots.generation(a)));
  CHECK(slots[a] == 3);
  CHECK(slots[b] == 2);
  CHECK(slots.size() == 2);
}

TEST_CASE("the heap gives what is due, by time, whatever was moved or taken out") {
  SeededRng rng(1);
  DueHeap heap;
  std::vector<std::optional<Instant>> model(200);
  for (int step = 0; step < 20000; ++step) {
    const auto slot = static_cast<Slot>(rng.below(model.size()));
    if (rng.below(3) > 0) {
      const Instant due{std::chrono::nanoseconds(rng.below(50))};
      heap.put(slot, due);
      model[slot] = due;
    } else {
      heap.remove(slot);
      model[slot].reset();
    }
    CHECK(heap.contains(slot) == model[slot].has_value());
    Instant earliest = never;
    for (const auto& due : model) earliest = std::min(earliest, due.value_or(never));
    REQUIRE(heap.earliest() == earliest);
  }
  Instant last{};
  std::size_t left = heap.size();
  while (const auto slot = heap.pop_due(never)) {
    REQUIRE(model[*slot].has_value());
    CHECK(*model[*slot] >= last);
    last = *model[*slot];
    model[*slot].reset();
    --left;
  }
  CHECK(left == 0);
  CHECK(heap.earliest() == never);
}

TEST_CASE("what is not due stays") {
  DueHeap heap;
  heap.put(3, Instant(5s));
  CHECK(!heap.pop_due(Instant(4s)));
  CHECK(heap.pop_due(Instant(5s)) == 3);
  CHECK(!heap.pop_due(never));
}

TEST_CASE("recipients of a message are found by it, once each, and it goes with the last") {
  OpenRecipients all;
  const Slot domain = all.add_domain("a.example", 7);
  const Slot a = all.add({message(1), {}, {}}, 0, domain, 0);
  const Slot b = all.add({message(1), {}, {}}, 1, domain, 3);
  const Slot c = all.add({message(2), {}, {}}, 0, domain, 0);
  CHECK(all.add({message(1), {}, {}}, 1, domain, 0) == no_slot);
  CHECK(all.domain_of(b).recipients == 3);
  CHECK(all[b].attempts == 3);
  CHECK(all.ref(b) == RecipientRef{message(1), 1});
  const auto of = [&](const MessageId& id) {
    std::vector<Slot> found;
    all.for_each_of(id, [&](Slot r) { found.push_back(r); });
    std::ranges::sort(found);
    return found;
  };
  CHECK(of(message(1)) == std::vector{a, b});
  all.remove(a);
  CHECK(of(message(1)) == std::vector{b});
  all.for_each_of(message(1), [&](Slot r) { all.remove(r); });
  CHECK(of(message(1)).empty());
  CHECK(of(message(2)) == std::vector{c});
  CHECK(all.size() == 1);
  all.remove(c);
  all.forget_domain(domain);
  CHECK(all.find_domain("a.example") == no_slot);
}

TEST_CASE("targets: by preference, those at rest last, no more than asked for") {
  Targets targets;
  CHECK(!targets.fresh(Instant{}));
  targets.set(targets_of({{"mx1", 10, {"2001:db8::1", "192.0.2.1"}}, {"mx2", 20, {"192.0.2.2"}}}, 25),
              Instant(60s));
  CHECK(targets.fresh(Instant(59s)));
  CHECK(!targets.fresh(Instant(60s)));
  const auto plan = targets.plan(Instant{}, 10);
  CHECK(addresses(plan) == std::vector<std::string>{"2001:db8::1", "192.0.2.1", "192.0.2.2"});
  CHECK(plan[0].name == "mx1");
  targets.failed(plan[0], Instant(10s));
  CHECK(addresses(targets.plan(Instant(9s), 2)) == std::vector<std::string>{"192.0.2.1", "192.0.2.2"});
  CHECK(addresses(targets.plan(Instant(10s), 1)) == std::vector<std::string>{"2001:db8::1"});
}

TEST_CASE("address literals") {
  const std::pair<const char*, const char*> valid[] = {
      {"192.0.2.1", "192.0.2.1"},       {"[192.0.2.1]", "192.0.2.1"},          {"2001:db8::1", "2001:db8::1"},
      {"[2001:db8::1]", "2001:db8::1"}, {"[IPv6:2001:db8::1]", "2001:db8::1"},
  };
  for (const auto& [text, address] : valid) {
    const auto target = literal_target(text, 26);
    REQUIRE(target.has_value());
    CHECK(target->address == address);
    CHECK(target->port == 26);
  }
  for (const char* name :
       {"", "[]", "example.com", "192.0.2", "192.0.2.256", "[example.com]", "1.2.3.4.example"})
    CHECK(!literal_target(name, 25));
}
