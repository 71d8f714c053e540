// The spool read by another process than the one that writes it.
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

#include "spool/inspect/stored.h"
#include "spool/lmdb_store.h"
#include "tests/unit/inspect/support.h"

using namespace relay;
using namespace relay::spool;
using namespace relay::spool::test;

namespace {

// A process that holds a view of the spool until it is killed.
class Reader {
 public:
  explicit Reader(const TempDir& directory) {
    int ready[2];
    REQUIRE(pipe(ready) == 0);
    child_ = fork();
    if (child_ == 0) {
      const auto file = SpoolFile::open(directory.spool());
      const auto view = file ? (*file)->view() : Result<View>(std::unexpected(file.error()));
      const char answer = view ? 'y' : 'n';
      if (write(ready[1], &answer, 1) == 1)
        for (;;) pause();
      _exit(1);
    }
    char answer = 0;
    REQUIRE(read(ready[0], &answer, 1) == 1);
    REQUIRE(answer == 'y');
    close(ready[0]);
    close(ready[1]);
  }
  ~Reader() { kill(); }
  void kill() {
    if (child_ <= 0) return;
    ::kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
    child_ = 0;
  }

 private:
  pid_t child_ = 0;
};

}  // namespace

TEST_CASE("a view keeps its pages from reuse, and a killed reader's do not stay so") {
  TempDir directory;
  fill(directory);
  Reader reader(directory);
  auto environment = must(Environment::open(settings(directory)));
  MDB_env* lmdb = environment->get();
  LmdbStore store(std::move(environment));
  const auto pages_after = [&](int batches) {
    for (int i = 0; i < batches; ++i)
      apply(store, set_status({id(4), 0}, EventType::retried, Status::queued, 100 + i));
    MDB_envinfo info{};
    mdb_env_info(lmdb, &info);
    return info.me_last_pgno;
  };
  const auto before = pages_after(1);
  const auto while_read = pages_after(200);
  CHECK(while_read > before + 400);  // nothing is used anew
  reader.kill();
  pages_after(64);  // notices
  const auto after = pages_after(1);
  CHECK(pages_after(200) <= after + 20);
  int dead = 0;
  mdb_reader_check(lmdb, &dead);
  CHECK(dead == 0);
}

TEST_CASE("what cannot be opened is said in a sentence") {
  TempDir directory;
  const auto refused = [](const std::string& path) {
    const auto file = SpoolFile::open(path);
    REQUIRE_FALSE(file);
    return file.error();
  };
  CHECK(refused(directory.spool()).code == Errc::not_found);
  CHECK(refused(directory.spool()).message.find("there is no spool " + directory.spool()) == 0);
  std::filesystem::create_directory(directory.spool());
  CHECK(refused(directory.spool()).message ==
        directory.spool() + " is not a spool: there is no data.mdb in it");
  std::ofstream(directory.spool() + "/data.mdb") << std::string(100'000, 'x');
  CHECK(refused(directory.spool()).message.find("is not an LMDB file") != std::string::npos);
  CHECK(refused(directory.spool() + "/data.mdb").message.find("is not a directory") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(directory.spool() + "/lock.mdb"));
}

TEST_CASE("who writes is known while it does") {
  TempDir directory;
  fill(directory);
  CHECK_FALSE(must(SpoolFile::open(directory.spool()))->writer().has_value());
}
