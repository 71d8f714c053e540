#include "spool/map_guard.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>
#include <vector>

#include "spool/file.h"
#include "tests/unit/spool/support.h"

using namespace relay;
using namespace relay::spool;
using namespace relay::spool::test;

namespace {

constexpr std::size_t length = 1 << 16;

// A file in memory that can be cut short under its reader.
class Mapped {
 public:
  Mapped() : path_(directory_.spool()), file_(::open(path_.c_str(), O_RDWR | O_CREAT, 0600)) {
    REQUIRE(ftruncate(file_.get(), length) == 0);
    void* map = mmap(nullptr, length, PROT_READ, MAP_SHARED, file_.get(), 0);
    REQUIRE(map != MAP_FAILED);
    bytes_ = static_cast<const volatile char*>(map);
    MapGuard::install();
  }
  ~Mapped() { munmap(const_cast<char*>(bytes_), length); }
  void cut() { REQUIRE(ftruncate(file_.get(), 0) == 0); }
  const volatile char* bytes() const { return bytes_; }

 private:
  TempDir directory_;
  std::string path_;
  File file_;
  const volatile char* bytes_ = nullptr;
};

}  // namespace

TEST_CASE("a page that cannot be read, a wild pointer and a failed assertion are answers") {
  Mapped file;
  const volatile char* at = file.bytes() + 5000;
  int read = -1;
  CHECK(MapGuard::guarded([&] { read = *at; }) == MapGuard::Fault::none);
  CHECK(read == 0);
  file.cut();
  for (int i = 0; i < 3; ++i)  // the signal is not left blocked
    CHECK(MapGuard::guarded([&] { read = *at; }) == MapGuard::Fault::unreadable);
  const volatile char* volatile nowhere = nullptr;
  for (int i = 0; i < 3; ++i)
    CHECK(MapGuard::guarded([&] { read = *(nowhere + 16); }) == MapGuard::Fault::wild);
  CHECK(MapGuard::guarded([] { MapGuard::assertion_failed(); }) == MapGuard::Fault::assertion);
  MapGuard::assertion_failed();  // outside of a guard it returns
  CHECK_FALSE(text(MapGuard::Fault::unreadable).empty());
}

TEST_CASE("guards nest, and each thread has its own") {
  Mapped file;
  file.cut();
  const volatile char* at = file.bytes();
  MapGuard::Fault inner = MapGuard::Fault::none;
  bool after = false;
  CHECK(MapGuard::guarded([&] {
          inner = MapGuard::guarded([&] { static_cast<void>(*at); });
          after = true;
        }) == MapGuard::Fault::none);
  CHECK(inner == MapGuard::Fault::unreadable);
  CHECK(after);
  std::vector<std::thread> threads;
  std::array<int, 4> faults{};
  for (int& count : faults)
    threads.emplace_back([&count, at] {
      for (int i = 0; i < 200; ++i)
        count += MapGuard::guarded([&] { static_cast<void>(*at); }) == MapGuard::Fault::unreadable ? 1 : 0;
    });
  for (auto& thread : threads) thread.join();
  for (const int count : faults) CHECK(count == 200);
}

// In a process of its own: a bug of ours must still end it.
TEST_CASE("a fault outside of a guard ends the process as ever") {
  for (const bool sent : {false, true}) {
    CAPTURE(sent);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      std::signal(SIGSEGV, SIG_DFL);
      MapGuard::install();
      const volatile char* volatile nowhere = nullptr;
      if (sent)
        static_cast<void>(MapGuard::guarded([] { raise(SIGSEGV); }));  // by somebody: no fault of the read
      else
        static_cast<void>(*(nowhere + 16));
      _exit(0);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGSEGV);
#else
    CHECK_FALSE((WIFEXITED(status) && WEXITSTATUS(status) == 0));
#endif
  }
}
