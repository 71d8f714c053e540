// Frozen: the newest commit that was acknowledged, for reading after LMDB has panicked.
//
// When a meta page cannot be written LMDB begins no transaction any more, not even one that reads. Nothing
// will be written then, so no page of that commit is used anew: it is read by its pages alone, and what was
// queued is delivered all the same. Immutable; any thread.
#pragma once
#include <array>

#include "spool/codec.h"
#include "spool/page_source.h"

namespace relay::spool {

struct Frozen {
  std::uint64_t commit = 0;
  std::array<TreeRoot, table_numbers> roots{};  // by Table

  // Of the newest whole meta page that is of `acknowledged` or before; damaged pages between it and the
  // tables' roots are named in the error.
  static Result<Frozen> read(int descriptor, std::uint64_t acknowledged);
};

}  // namespace relay::spool
