#include "mta/intake/admission.h"

#include <doctest/doctest.h>

#include <thread>

using namespace relay;

namespace {

using Place = std::unique_ptr<Admission::Place>;

TEST_CASE("as many sessions as there are places, and again when they have ended") {
  Admission admission({.sessions = 3});
  std::vector<Place> places;
  for (int i = 0; i < 3; ++i) places.push_back(admission.enter());
  for (const Place& place : places) CHECK(place);
  CHECK(admission.sessions() == 3);
  CHECK_FALSE(admission.enter());
  CHECK(admission.sessions() == 3);
  places.pop_back();
  CHECK(admission.enter());
  places.clear();
  CHECK(admission.sessions() == 0);
}

TEST_CASE("an IPv4 address and an IPv6 /64 are one client") {
  Admission admission({.sessions = 100, .per_address = 2});
  struct Case {
    std::string first, second, third;
    bool taken;
  };
  for (const auto& [first, second, third, taken] :
       {Case{"192.0.2.1", "192.0.2.1", "192.0.2.1", false}, Case{"192.0.2.1", "192.0.2.1", "192.0.2.2", true},
        Case{"192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1", false},
        Case{"192.0.2.1", "192.0.2.2", "192.0.2.3", true},
        Case{"2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:1::3", false},
        Case{"2001:db8:0:1::1", "2001:db8:0:1::1", "2001:db8:0:2::1", true},
        Case{"::1", "::1", "::ffff:0.0.0.1", true}, Case{"", "", "", true}}) {  // a Unix socket
    CAPTURE(first);
    CAPTURE(third);
    const Place a = admission.enter(), b = admission.enter();
    Place c = admission.enter();
    CHECK(a->take_address(first));
    CHECK(b->take_address(second));
    CHECK(c->take_address(third) == taken);
    if (!taken) CHECK(c->take_address("198.51.100.1"));  // nothing has changed by the refusal
    c.reset();
    c = admission.enter();
    CHECK(c->take_address(third) == taken);
  }
}

TEST_CASE("zero is no limit") {
  Admission admission({.sessions = 1000, .per_address = 0});
  std::vector<Place> places;
  for (int i = 0; i < 1000; ++i) {
    places.push_back(admission.enter());
    REQUIRE(places.back()->take_address("192.0.2.1"));
    REQUIRE(places.back()->take_key("key", 0));
  }
}

TEST_CASE("a key's sessions: its own limit, counted once a session, given back") {
  Admission admission({});
  Place a = admission.enter(), b = admission.enter(), c = admission.enter();
  CHECK(a->take_key("shop", 2));
  CHECK(a->take_key("shop", 2));  // authenticated again after STARTTLS
  CHECK(b->take_key("shop", 2));
  CHECK_FALSE(c->take_key("shop", 2));
  CHECK(c->take_key("blog", 1));
  CHECK_FALSE(c->take_key("shop", 2));  // is the blog's still
  Place d = admission.enter();
  CHECK_FALSE(d->take_key("blog", 1));
  CHECK(b->take_key("other", 1));  // another key in the same session
  CHECK(d->take_key("shop", 2));
  a.reset();
  CHECK(c->take_key("shop", 2));
  CHECK(admission.enter()->take_key("blog", 1));
}

TEST_CASE("pressed from 90 per cent on, until below 80") {
  Admission admission({.sessions = 100});
  int told = 0;
  admission.on_pressed([&] { ++told; });
  std::vector<Place> places;
  const auto fill = [&](std::size_t n) {
    while (places.size() < n) places.push_back(admission.enter());
    places.resize(n);
  };
  fill(90);
  CHECK_FALSE(admission.pressed());
  fill(91);
  CHECK(admission.pressed());
  CHECK(told == 1);
  fill(100);
  fill(80);
  CHECK(admission.pressed());
  fill(95);
  CHECK(told == 1);
  fill(79);
  CHECK_FALSE(admission.pressed());
  fill(91);
  CHECK(told == 2);
  fill(0);
  CHECK_FALSE(admission.pressed());
}

TEST_CASE("many threads at once: never more than allowed, and nothing is left over") {
  Admission admission({.sessions = 50, .per_address = 10});
  admission.on_pressed([] {});
  std::atomic<bool> over{false};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        std::vector<Place> mine;
        for (int i = 0; i < 20'000; ++i) {
          if (Place place = admission.enter()) {
            if (place->take_address("192.0.2." + std::to_string((i + t) % 3)) &&
                place->take_key(std::to_string(i % 2), 7))
              mine.push_back(std::move(place));
          }
          if (admission.sessions() > 50 || mine.size() > 30) over = true;
          if (i % 7 == 0 && !mine.empty()) mine.erase(mine.begin());
          if (i % 101 == 0) mine.clear();
        }
      });
    }
  }
  CHECK_FALSE(over);
  CHECK(admission.sessions() == 0);
  CHECK_FALSE(admission.pressed());
  std::vector<Place> all;
  for (int i = 0; i < 10; ++i) {
    all.push_back(admission.enter());
    CHECK(all.back()->take_address("192.0.2.1"));
  }
}

}  // namespace
