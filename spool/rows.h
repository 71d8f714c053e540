// Rows: one table's rows as a reader sees them, by key. PageRows shows those of a commit, Cursor those of the
// writer's open transaction; what is read of a message (lmdb_message.h) does not care which.
//
// An error with Errc::corrupt (damage) or Errc::system (the disk does not give it) says what it concerns.
// key() and payload() are good until the next move.
#pragma once
#include <string>
#include <string_view>

#include "mta/base/result.h"
#include "spool/codec.h"

namespace relay::spool {

class Rows {
 public:
  virtual ~Rows() = default;
  // Each answers whether it now stands on a row.
  virtual Result<bool> seek(std::string_view key) = 0;
  virtual Result<bool> seek_from(std::string_view key) = 0;  // or the next after it
  virtual Result<bool> next() = 0;
  // After an error of a move: whether it stands on the next row behind the damage all the same.
  virtual bool valid() const = 0;
  virtual std::string_view key() const = 0;
  virtual Result<Payload> payload() = 0;  // out of its frame
  virtual Table table() const = 0;

  std::unexpected<Error> damaged() const;  // for a payload without legal meaning
};

// Errors that are about one record or page and not about the store.
inline bool is_damage(const Error& error) {
  return error.code == Errc::corrupt || error.code == Errc::system;
}
std::unexpected<Error> missing_row(Table table, std::string_view key);

}  // namespace relay::spool
