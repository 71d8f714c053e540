#include "tests/bench/look.h"

#include <lmdb.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <vector>

#include "tests/bench/measure.h"

namespace relay::bench {
namespace {

void good(int code) {
  if (code != 0) stop(mdb_strerror(code));
}

// The numbers of the free pages: each record of table 0 has a count and then so many.
std::vector<std::uint64_t> free_pages(MDB_txn* txn, Look& look) {
  std::vector<std::uint64_t> pages;
  MDB_cursor* cursor = nullptr;
  good(mdb_cursor_open(txn, 0, &cursor));
  MDB_val key{}, value{};
  while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
    std::vector<std::uint64_t> record(value.mv_size / sizeof(std::uint64_t));
    std::memcpy(record.data(), value.mv_data, record.size() * sizeof(std::uint64_t));
    const std::size_t count = std::min<std::size_t>(record.at(0), record.size() - 1);
    pages.insert(pages.end(), record.begin() + 1, record.begin() + 1 + static_cast<std::ptrdiff_t>(count));
    ++look.list_records;
    look.list_bytes += value.mv_size;
  }
  mdb_cursor_close(cursor);
  std::sort(pages.begin(), pages.end());
  return pages;
}

}  // namespace

Look look_at(const std::string& directory) {
  MDB_env* env = nullptr;
  good(mdb_env_create(&env));
  // Without the lock file: this process has it open already, and must not twice.
  good(mdb_env_open(env, directory.c_str(), MDB_RDONLY | MDB_NOLOCK | MDB_NORDAHEAD, 0600));
  MDB_txn* txn = nullptr;
  good(mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn));
  MDB_stat stat{};
  MDB_envinfo info{};
  mdb_env_stat(env, &stat);
  mdb_env_info(env, &info);
  Look look;
  look.file_bytes = std::filesystem::file_size(directory + "/data.mdb");
  look.used_bytes = (info.me_last_pgno + 1) * stat.ms_psize;
  const auto pages = free_pages(txn, look);
  look.free_bytes = pages.size() * stat.ms_psize;
  std::uint64_t run = 0;
  for (std::size_t i = 0; i < pages.size(); ++i) {
    const bool goes_on = i > 0 && pages[i] == pages[i - 1] + 1;
    run = goes_on ? run + 1 : 1;
    if (!goes_on) ++look.runs;
    look.longest_run = std::max(look.longest_run, run);
  }
  mdb_txn_abort(txn);
  mdb_env_close(env);
  return look;
}

}  // namespace relay::bench
