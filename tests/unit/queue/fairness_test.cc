#include <doctest/doctest.h>

#include <map>
#include <random>
#include <vector>

#include "mta/queue/connection_line.h"
#include "mta/queue/fair_order.h"
#include "mta/queue/ready_mail.h"

namespace relay::queue {
namespace {

MessageId message(std::uint32_t number) {
  MessageId id;
  id.bytes[14] = static_cast<std::uint8_t>(number >> 8);
  id.bytes[15] = static_cast<std::uint8_t>(number);
  return id;
}

TEST_CASE("fair order: turns by weight, and one after the other for equals") {
  FairOrder order;
  order.join(1, 1);
  order.join(2, 1);
  order.join(3, 8);
  std::map<Slot, int> turns;
  for (int i = 0; i < 1000; ++i) {
    ++turns[order.first()];
    order.served(order.first());
  }
  CHECK(turns[1] == doctest::Approx(100).epsilon(0.02));
  CHECK(turns[2] == doctest::Approx(100).epsilon(0.02));
  CHECK(turns[3] == doctest::Approx(800).epsilon(0.02));
  order.leave(3);
  order.leave(3);
  CHECK(order.weight() == 2);
  std::vector<Slot> next;
  for (int i = 0; i < 4; ++i) {
    next.push_back(order.first());
    order.served(order.first());
  }
  CHECK(next[0] != next[1]);
  CHECK(next[0] == next[2]);
  CHECK(next[1] == next[3]);
}

TEST_CASE("fair order: who comes and goes takes nothing from who stays") {
  // Whoever has mail now and then is served soon, at most at the rate of his weight.
  FairOrder order;
  order.join(1, 1);
  int of_others = 0, of_one = 0;
  for (int i = 0; i < 1100; ++i) {
    order.join(2, 10);  // he is back as soon as he was served
    const Slot first = order.first();
    order.served(first);
    ++(first == 1 ? of_one : of_others);
    if (first == 2) order.leave(2);
  }
  CHECK(of_one == doctest::Approx(100).epsilon(0.05));
  CHECK(of_others == doctest::Approx(1000).epsilon(0.05));
}

TEST_CASE("fair order: time away is neither punished nor saved up") {
  FairOrder order;
  order.join(1, 1);
  for (int i = 0; i < 1'000'000; ++i) order.served(1);
  order.join(2, 1);
  std::map<Slot, int> turns;
  for (int i = 0; i < 10; ++i) {
    ++turns[order.first()];
    order.served(order.first());
  }
  CHECK(turns[1] == 5);
  CHECK(turns[2] == 5);
}

TEST_CASE("ready mail: a lane a tenant, first come first served in it") {
  OpenRecipients all;
  const Slot domain = all.add_domain("a.example", 0);
  ReadyMail ready;
  const AccountId shop{"shop"}, club{"club"};
  std::vector<Slot> slots;
  std::uint32_t number = 0;
  const auto add = [&](const AccountId& account, spool::Stream stream, std::uint32_t recipients) {
    for (std::uint32_t i = 0; i < recipients; ++i) {
      slots.push_back(all.add({message(number), {}, account, stream}, i, domain, 0));
      ready.push_back(all, slots.back(), stream == spool::Stream::transactional ? 10 : 1);
    }
    ++number;
  };
  for (int i = 0; i < 100; ++i) add(shop, spool::Stream::bulk, 1);
  for (int i = 0; i < 3; ++i) add(club, spool::Stream::bulk, 2);
  add(shop, spool::Stream::transactional, 1);
  CHECK(ready.size() == 107);
  CHECK(ready.tenants().size() == 3);
  CHECK(ready.transactions(all, 100, 1000) == 104);
  CHECK(ready.transactions(all, 1, 1000) == 107);
  CHECK(ready.transactions(all, 1, 4) == 4);
  CHECK(ready.ahead_of_newest(all.message_of(slots.back()).tenant) == 0);
  CHECK(ready.ahead_of_newest(all.message_of(slots.front()).tenant) == 106);

  std::vector<Slot> order;
  while (ready.size() > 0) {
    const Slot first = ready.next();
    ready.served(all.message_of(first).tenant);
    ready.unlink(all, first);
    order.push_back(first);
  }
  CHECK(order.front() == slots.back());
  const auto place = [&](Slot slot) { return std::ranges::find(order, slot) - order.begin(); };
  CHECK(place(slots[105]) <= 13);  // of the club's six, in turn with the shop's hundred
  CHECK(std::ranges::is_sorted(std::vector(slots.begin(), slots.begin() + 100), {}, place));
  CHECK(ready.next() == no_slot);
  CHECK(ready.tenants().empty());
}

TEST_CASE("ready mail: unlinking anywhere") {
  OpenRecipients all;
  const Slot domain = all.add_domain("a.example", 0);
  ReadyMail ready;
  std::vector<Slot> left;
  for (std::uint32_t i = 0; i < 50; ++i) {
    left.push_back(all.add({message(i), {}, {i % 2 ? "a" : "b"}}, 0, domain, 0));
    ready.push_back(all, left.back(), 1);
  }
  std::mt19937 random(7);
  while (!left.empty()) {
    const auto at = left.begin() + static_cast<std::ptrdiff_t>(random() % left.size());
    ready.unlink(all, *at);
    all.remove(*at);
    left.erase(at);
    std::vector<Slot> walked;
    for (const Slot tenant : ready.tenants())
      for (Slot r = ready.first_of(tenant); r != no_slot; r = all[r].ready_next) walked.push_back(r);
    std::ranges::sort(walked);
    CHECK(walked == left);
  }
  all.forget_domain(domain);
}

TEST_CASE("connection line: tenants take turns, each tenant's sites in order") {
  ConnectionLine line;
  for (Slot site = 0; site < 1000; ++site) line.push_back(1, 1, {site, 1});
  line.push_back(2, 1, {2000, 1});
  line.push_back(2, 1, {2001, 1});
  std::vector<Slot> taken;
  for (int i = 0; i < 4; ++i) taken.push_back(line.take().site.slot);
  CHECK(taken == std::vector<Slot>{0, 2000, 1, 2001});
  for (int i = 0; i < 998; ++i) line.take();
  CHECK(line.empty());
}

}  // namespace
}  // namespace relay::queue
