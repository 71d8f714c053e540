#include "tests/sim/sim_store.h"

#include <algorithm>

namespace relay::sim {

Result<spool::Applied> SimStore::apply(std::span<const spool::Operation> batch) {
  const bool gone = crashed();
  if (!gone && crash) ended_ = crash();
  if (gone || ended_ == Crash::before_commit) return fail(Errc::system, "the process is gone");
  return apply_on(disk ? disk() : Disk::well, batch);
}

Result<void> SimStore::probe(std::uint64_t) {
  if (crashed()) return fail(Errc::system, "the process is gone");
  switch (disk ? disk() : Disk::well) {
    case Disk::well: return {};
    case Disk::no_room_for_mail:
    case Disk::full: return fail(Errc::full, "the disk is full");
    case Disk::unavailable: return fail(Errc::unavailable, "the disk is read-only");
    case Disk::failing:
    case Disk::failing_late: break;
  }
  return fail(Errc::system, "the disk is gone");
}

Result<spool::Applied> SimStore::apply_on(Disk state, std::span<const spool::Operation> batch) {
  const auto is_mail = [](const spool::Operation& o) { return std::holds_alternative<spool::Accept>(o); };
  switch (state) {
    case Disk::well: break;
    case Disk::no_room_for_mail:
      if (std::ranges::any_of(batch, is_mail)) return fail(Errc::full, "the rest is kept for outcomes");
      break;
    case Disk::full: return fail(Errc::full, "the disk is full");
    case Disk::unavailable: return fail(Errc::unavailable, "the disk is read-only");
    case Disk::failing_late:
      if (auto stored = real_->apply(batch); !stored) return stored;
      [[fallthrough]];
    case Disk::failing: return fail(Errc::system, "the disk is gone");
  }
  return unstorable ? apply_sound(batch) : real_->apply(batch);
}

Result<spool::Applied> SimStore::apply_sound(std::span<const spool::Operation> batch) {
  std::vector<spool::Operation> sound;
  std::vector<spool::FailedOperation> failed;
  for (std::size_t i = 0; i < batch.size(); ++i)
    if (unstorable(batch[i]))
      failed.push_back({i, {Errc::corrupt, "its place is damaged"}});
    else
      sound.push_back(batch[i]);
  auto applied = real_->apply(sound);
  if (applied) applied->failed = std::move(failed);
  return applied;
}

}  // namespace relay::sim
