#include "tests/bench/raw.h"

#include <fcntl.h>
#include <lmdb.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>

#include "mta/base/ids.h"

namespace relay::bench {
namespace {

void good(int code) {
  if (code != 0) stop(mdb_strerror(code));
}

class Ahead {
 public:
  explicit Ahead(MDB_env* env) : env_(env) { good(mdb_env_get_fd(env, &file_)); }
  void take(std::size_t bytes) {
    MDB_envinfo info{};
    mdb_env_info(env_, &info);
    const std::size_t used = (info.me_last_pgno + 1) * 4096;
    if (used + 2 * bytes <= taken_) return;
    taken_ = used + 2 * bytes + (64u << 20);
    if (::fallocate(file_, 0, 0, static_cast<off_t>(taken_)) != 0) stop(std::strerror(errno));
  }

 private:
  MDB_env* env_;
  mdb_filehandle_t file_ = -1;
  std::size_t taken_ = 0;
};

}  // namespace

void empty(const Place& place) {
  std::error_code error;
  std::filesystem::remove_all(place.directory, error);
  if (!error) std::filesystem::create_directories(place.directory, error);
  if (error) stop(error.message());
}

Slice raw_sync(const Place& place, Sync how) {
  empty(place);
  const int file = ::open((place.directory + "/raw").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  if (file < 0) stop(std::strerror(errno));
  const std::string page(4096, 'x');
  Slice slice;
  off_t at = 0;
  const double cpu = thread_cpu();
  const auto start = Steady::now();
  while (since(start) < place.seconds) {
    const auto begin = Steady::now();
    if (::pwrite(file, page.data(), page.size(), at) < 0 || ::fdatasync(file) != 0)
      stop(std::strerror(errno));
    slice.waits.push_back(since(begin));
    if (how == Sync::append) at += static_cast<off_t>(page.size());
    ++slice.commits, ++slice.messages, slice.bytes += page.size();
  }
  slice.seconds = since(start);
  slice.cpu = thread_cpu() - cpu;
  ::close(file);
  return slice;
}

struct RawLmdb::Impl {
  struct Close {
    void operator()(MDB_env* env) const { mdb_env_close(env); }
  };
  explicit Impl(MDB_env* made) : env(made), ahead(made) {}
  std::unique_ptr<MDB_env, Close> env;
  Ahead ahead;
  SeededRng rng{1};
  std::string value;
  std::vector<MessageId> ids, before;
};

RawLmdb::RawLmdb(const std::string& directory) {
  empty({directory});
  MDB_env* env = nullptr;
  good(mdb_env_create(&env));
  good(mdb_env_set_mapsize(env, std::size_t{64} << 30));
  good(mdb_env_open(env, directory.c_str(), MDB_NORDAHEAD, 0600));
  impl_ = std::make_unique<Impl>(env);
}

RawLmdb::~RawLmdb() = default;

double RawLmdb::commit(Keep keep, std::size_t value_bytes, std::size_t batch) {
  auto& [env, ahead, rng, value, ids, before] = *impl_;
  value.resize(value_bytes, 'x');
  before.swap(ids);
  ids.clear();
  for (std::size_t i = 0; i < batch; ++i) ids.push_back(MessageId::make(system_wall(), rng));
  const auto begin = Steady::now();
  ahead.take(value_bytes * batch);
  MDB_txn* txn = nullptr;
  MDB_dbi dbi = 0;
  good(mdb_txn_begin(env.get(), nullptr, 0, &txn));
  good(mdb_dbi_open(txn, nullptr, 0, &dbi));
  for (auto& id : ids) {
    MDB_val k{id.bytes.size(), id.bytes.data()};
    MDB_val v{value.size(), value.data()};
    good(mdb_put(txn, dbi, &k, &v, 0));
  }
  for (std::size_t i = 0; keep == Keep::turnover && i < before.size(); ++i) {
    MDB_val k{before[i].bytes.size(), before[i].bytes.data()};
    good(mdb_del(txn, dbi, &k, nullptr));
  }
  good(mdb_txn_commit(txn));
  return since(begin);
}

Slice raw_lmdb(const Place& place, Keep keep, std::size_t value_bytes, std::size_t batch) {
  RawLmdb lmdb(place.directory);
  Slice slice;
  const auto start = Steady::now();
  while (since(start) < place.seconds) {
    const double cpu = thread_cpu();
    slice.waits.push_back(lmdb.commit(keep, value_bytes, batch));
    slice.seconds += slice.waits.back();
    slice.cpu += thread_cpu() - cpu;
    ++slice.commits, slice.messages += batch, slice.bytes += batch * value_bytes;
  }
  return slice;
}

}  // namespace relay::bench
