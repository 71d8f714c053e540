// SpoolFile: a spool's data.mdb, opened only to be read, by a program that is not the relay.
//
// view() is one commit of the spool: all tables as they were then. While the view lives, LMDB's table of
// readers keeps the relay from using its pages anew, so that it stays whole while the relay goes on; that
// costs the relay room, so views are kept short. A program killed with a view leaves its entry there, which
// the relay removes. Pages are read from the file and checked (spool/page.h), never through LMDB's
// map: neither damage nor a failing disk can end the program. If a meta page is damaged LMDB does not open
// the file, and the relay cannot run on it; then the spool's lock is held instead, and the newest sound meta
// page counts. One thread.
#pragma once
#include <sys/types.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mta/base/result.h"
#include "spool/codec.h"
#include "spool/lmdb_env.h"
#include "spool/page_source.h"

namespace relay::spool {

class View;

class SpoolFile {
 public:
  // Errors are sentences for the administrator: no spool there, no permission, a format that is not known.
  static Result<std::unique_ptr<SpoolFile>> open(const std::string& directory);
  Result<View> view();

  const std::string& directory() const { return directory_; }
  std::uint64_t file_bytes() const;  // its length now
  std::size_t page_bytes() const { return page_bytes_; }
  // The longest value of a spool's record; see spool/FORMAT.md.
  std::size_t value_bytes() const { return page_bytes_ - page_header_bytes; }
  std::optional<pid_t> writer() const;  // the relay that runs on it, if one does
  // What is wrong with the meta pages, by their number; the spool can be read nevertheless.
  const std::array<std::optional<std::string>, 2>& meta_faults() const { return meta_faults_; }
  MDB_env* lmdb() const { return env_.get(); }  // null if LMDB did not open the file

 private:
  friend class View;
  struct Close {
    void operator()(MDB_env* env) const { mdb_env_close(env); }
  };
  SpoolFile() = default;
  Result<void> open_lmdb();
  Result<void> hold_lock();
  Result<void> make_reader_table(const std::string& path) const;
  bool still_newest(std::uint64_t commit) const;

  std::string directory_;
  File data_;
  File lock_;  // held if env_ is null
  std::unique_ptr<MDB_env, Close> env_;
  std::size_t page_bytes_ = 0;
  std::array<std::optional<std::string>, 2> meta_faults_;
};

// One commit. Must die before its SpoolFile.
class View {
 public:
  const SpoolFile& file() const { return *file_; }
  const Meta& meta() const { return meta_; }
  PageSource pages() const { return {file_->data_.get(), file_->page_bytes_, meta_.last}; }

 private:
  friend class SpoolFile;
  struct Abort {
    void operator()(MDB_txn* txn) const { mdb_txn_abort(txn); }
  };
  const SpoolFile* file_ = nullptr;
  Meta meta_;
  std::unique_ptr<MDB_txn, Abort> pin_;
};

}  // namespace relay::spool
