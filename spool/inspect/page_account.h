// PageAccount: every page of the file has exactly one use: meta page, a table's tree, a value, or free.
//
// Walks all trees of a view by their pages, without the values' own pages, and compares what it counts with
// what LMDB has noted. Also the one who reads LMDB's list of free pages.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "spool/inspect/loose.h"
#include "spool/inspect/tables.h"

namespace relay::spool {

PageTotals account_pages(const View& view, const Tables& tables, Faults& faults);

// Free pages, in no order. Entries that are no list of pages are told to `faults`.
void read_free_pages(const View& view, Faults& faults, const std::function<void(PageNumber)>& each);

}  // namespace relay::spool
