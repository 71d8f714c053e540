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
  TreeCursor cursor({descriptor, newest->page_bytes(), newest->last}, newest->main,
                    [&](const DamagedPage& damaged) { damage = damaged; });
  for (bool found = cursor.first(); found; found = cursor.next())
    for (const Table table : all_tables)
      if (const auto root = TreeRoot::parse(cursor.where().inside); root && cursor.key() == name(table))
        frozen.roots[static_cast<std::size_t>(table)] = *root;
  if (damage)
    return fail(Errc::corrupt,
                fmt::format("page {}, where the tables are named: {}", damage->page, damage->fault.what));
  return frozen;
}

}  // namespace relay::spool
