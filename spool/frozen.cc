#include "spool/frozen.h"

#include <fmt/format.h>

#include <optional>

#include "spool/tree_cursor.h"

namespace relay::spool {

Result<Frozen> Frozen::read(int descriptor, std::uint64_t acknowledged) {
  const MetaPages pages = MetaPages::read(descriptor);
  const Meta* newest = nullptr;
  for (const auto& meta : pages.whole)
    if (meta && meta->commit <= acknowledged && (newest == nullptr || meta->commit > newest->commit))
      newest = &*meta;
  if (newest == nullptr) return fail(Errc::corrupt, "neither meta page is of a commit that is known");
  Frozen frozen;
  frozen.commit = newest->commit;
  std::optional<DamagedPage> damage;
  const auto each = [&](std::string_view of, const std::optional<TreeRoot>& root) {
    for (const Table table : all_tables)
      if (root && of == name(table)) frozen.roots[static_cast<std::size_t>(table)] = *root;
  };
  each_table({descriptor, newest->page_bytes(), newest->last}, newest->main, each,
             [&](const DamagedPage& damaged) { damage = damaged; });
  if (damage)
    return fail(Errc::corrupt,
                fmt::format("page {}, where the tables are named: {}", damage->page, damage->fault.what));
  return frozen;
}

}  // namespace relay::spool
