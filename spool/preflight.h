// preflight: what of a spool's file must be sound before LMDB is let on it, and what else is seen at a
// glance.
//
// LMDB takes the newer of its two meta pages, and the list of free pages it leads to, for true: with a wrong
// one it would write over mail. So the meta pages must belong together (the older may be half written over:
// see Meta), the list of free pages must be whole and name no page that a table uses, and every table must be
// there. Read are the branch pages of all tables,
// about one page in fifty of them, and no bodies.
//
// Errc::invalid: not a spool, or one of another format or page size. Errc::corrupt: a spool that nothing must
// be written to; `relayctl spool export` reads what is left. The sentences are for the administrator.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mta/base/result.h"

namespace relay::spool {

inline constexpr std::string_view format_version = "2";
// What formats say of themselves. Nothing if this program does not know it.
std::optional<int> format_number(std::string_view text);

struct Preflown {
  int format = 0;
  std::vector<std::string> warnings;  // what is damaged but can be lived with, a sentence each
};

// `descriptor` is of the file `path`; nobody must write to it meanwhile.
Result<Preflown> preflight(int descriptor, const std::string& path);

}  // namespace relay::spool
