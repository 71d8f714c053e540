// What a commit that failed leaves behind, and the syncs that LMDB leaves to us.
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "mta/base/log.h"
#include "spool/lmdb_env.h"

namespace relay::spool {

std::string_view text(Durability durability) {
  switch (durability) {
    case Durability::sync: return "sync";
    case Durability::relaxed: return "relaxed";
    case Durability::none: return "none";
  }
  return "unknown";
}
namespace {

std::unexpected<Error> final_failure(int code, std::string_view doing) {
  return fail(Errc::system, fmt::format("could not {}: {}", doing, std::system_category().message(code)));
}

}  // namespace

std::unexpected<Error> Environment::commit_failed(int code) {
  constexpr std::string_view doing = "commit to the spool";
  if (freeze_if_panicked()) return final_failure(code, doing);
  if (code == EIO)
    if (const int reason = reason_not_to_grow(); reason != 0) code = reason;
  auto failure = lmdb_failure(code, doing);
  if (!may_pass(failure.error())) return fail(Errc::system, std::move(failure.error().message));
  newest_meta_in_doubt_ = settings_.durability == Durability::relaxed;
  return failure;
}

// LMDB begins nothing more after a meta page that could not be written.
bool Environment::freeze_if_panicked() {
  MDB_txn* raw = nullptr;
  int code = 0;
  if (auto r = change([&] { code = mdb_txn_begin(env_.get(), nullptr, 0, &raw); }); !r) return false;
  if (raw != nullptr) mdb_txn_abort(raw);
  if (code == 0 || may_pass(lmdb_failure(code, "begin").error())) return false;
  if (frozen() != nullptr) return true;
  if (auto read = Frozen::read(file_, committed_)) {
    frozen_commit_ = *read;
    frozen_.store(&frozen_commit_, std::memory_order_release);
  } else {
    log::error("spool: what is queued cannot be read before a restart: {}", read.error().message);
  }
  return true;
}

Result<void> Environment::settle_meta() {
  if (!newest_meta_in_doubt_) return {};
  constexpr std::string_view doing = "write the spool's newest commit again";
  MDB_envinfo info{};
  mdb_env_info(env_.get(), &info);
  std::array<char, 512> meta{};  // LMDB's own part of the page is shorter, and no sector is torn
  const auto offset = static_cast<off_t>((info.me_last_txnid & 1) * page_bytes_);
  const auto size = static_cast<ssize_t>(meta.size());
  if (::pread(file_, meta.data(), meta.size(), offset) != size) return final_failure(EIO, doing);
  if (const ssize_t put = ::pwrite(file_, meta.data(), meta.size(), offset); put != size)
    return lmdb_failure(put < 0 ? errno : ENOSPC, doing);
  if (::fdatasync(file_) != 0) return final_failure(errno, doing);
  newest_meta_in_doubt_ = false;
  return {};
}

Result<void> Environment::sync() {
  if (settings_.durability != Durability::relaxed) return {};
  if (const int code = mdb_env_sync(env_.get(), 1); code != 0) return final_failure(code, "sync the spool");
  return {};
}

}  // namespace relay::spool
