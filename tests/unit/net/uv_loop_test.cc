#include "mta/net/uv_loop.h"

#include <doctest/doctest.h>

#include <thread>
#include <vector>

namespace relay::net {
namespace {

TEST_CASE("posts from several threads arrive, each thread's in order") {
  UvLoop loop;
  constexpr int threads = 4;
  constexpr int each = 1000;
  std::vector<std::vector<int>> seen(threads);
  int left = threads * each;
  std::vector<std::jthread> posters;
  for (int t = 0; t < threads; ++t) {
    posters.emplace_back([&, t] {
      for (int i = 0; i < each; ++i) {
        loop.post([&, t, i] {
          seen[t].push_back(i);
          if (--left == 0) loop.stop();
        });
      }
    });
  }
  loop.run();
  for (const auto& s : seen) {
    REQUIRE(s.size() == each);
    CHECK(std::is_sorted(s.begin(), s.end()));
  }
}

TEST_CASE("timers fire in order and not early; a cancelled one does not") {
  UvLoop loop;
  std::vector<int> fired;
  const Instant begin = loop.now();
  const auto note = [&](int n, Duration wait) {
    return loop.at(begin + wait, [&, n, wait] {
      CHECK(loop.now() >= begin + wait);
      fired.push_back(n);
    });
  };
  note(3, std::chrono::milliseconds(60));
  note(2, std::chrono::milliseconds(30));
  const TimerId cancelled = note(9, std::chrono::milliseconds(20));
  note(1, std::chrono::milliseconds(10));
  loop.at(begin + std::chrono::milliseconds(5), [&] { loop.cancel(cancelled); });
  loop.at(begin + std::chrono::milliseconds(80), [&] { loop.stop(); });
  loop.run();
  CHECK(fired == std::vector{1, 2, 3});
}

TEST_CASE("a timer that fires arms the next one, and a past one fires at once") {
  UvLoop loop;
  int rounds = 0;
  std::move_only_function<void()> again = [&] {
    if (++rounds == 50) return loop.stop();
    loop.at(Instant{}, [&] { again(); });
  };
  loop.at(loop.now(), [&] { again(); });
  loop.run();
  CHECK(rounds == 50);
}

TEST_CASE("post never runs inside the call, and what was posted before stop still runs") {
  UvLoop loop;
  bool ran = false;
  loop.post([&] {
    loop.stop();
    loop.post([&] { ran = true; });
    CHECK_FALSE(ran);
  });
  CHECK_FALSE(ran);
  loop.run();
  CHECK(ran);
}

TEST_CASE("a loop that never ran is destroyed with its timers and posts") {
  UvLoop loop;
  loop.post([] {});
  loop.at(loop.now(), [] {});
}

}  // namespace
}  // namespace relay::net
