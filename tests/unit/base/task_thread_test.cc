#include "mta/base/task_thread.h"

#include <doctest/doctest.h>

#include <future>
#include <thread>
#include <vector>

using namespace relay;

TEST_CASE("tasks run in their order on one other thread, and those that are left at the end") {
  std::vector<int> ran;
  std::vector<std::thread::id> threads;
  std::promise<void> go;
  {
    TaskThread thread;
    thread.post([&, gone = go.get_future()]() mutable {
      gone.wait();
      ran.push_back(0);
      threads.push_back(std::this_thread::get_id());
      thread.post([&] { ran.push_back(100); });
    });
    for (int i = 1; i < 100; ++i)
      thread.post([&, i] {
        ran.push_back(i);
        threads.push_back(std::this_thread::get_id());
      });
    CHECK(ran.empty());  // post() has waited for none of them
    go.set_value();
  }
  REQUIRE(ran.size() == 101);
  for (int i = 0; i <= 100; ++i) CHECK(ran[static_cast<std::size_t>(i)] == i);
  for (const auto& id : threads) CHECK(id == threads.front());
  CHECK(threads.front() != std::this_thread::get_id());
}

TEST_CASE("without a task it has no thread to wait for") { const TaskThread thread; }
