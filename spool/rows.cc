#include "spool/rows.h"

#include <fmt/format.h>

#include "spool/records.h"

namespace relay::spool {

std::unexpected<Error> Rows::damaged() const {
  return fail(Errc::corrupt, fmt::format("a record of the spool is damaged: table {}, {}", name(table()),
                                         describe(table(), key())));
}

std::unexpected<Error> missing_row(Table table, std::string_view key) {
  return fail(Errc::corrupt, fmt::format("a record of the spool is missing: table {}, {}", name(table),
                                         describe(table, key)));
}

}  // namespace relay::spool
