// The order in which a batch's operations go into the tables. Pure; any thread.
//
// Ids of one millisecond are random, so that rows in order of submission fall here and there into the last
// pages of each table: every insertion moves what lies behind it, and pages split in halves that nothing
// fills. In the order of ids they are appended, and pages are full. Nobody sees the order of operations
// inside a commit but those on the same message, and these keep theirs.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "spool/types.h"

namespace relay::spool {

// Positions in the batch. Operations that concern no single message stay where they are, and none passes
// them.
std::vector<std::uint32_t> order_of(std::span<const Operation> batch);

}  // namespace relay::spool
