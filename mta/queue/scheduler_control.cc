// What an administrator changes: retry, hold, release, cancel.
#include "mta/queue/scheduler_impl.h"

namespace relay::queue {
namespace {

// Counts the commits of one command's operations, and answers after the last.
struct Pending {
  std::size_t left = 0;
  ControlResult result;
  std::optional<Error> error;
  std::move_only_function<void(Result<ControlResult>)> done;

  void finish() {
    if (error)
      done(std::unexpected(*error));
    else
      done(result);
  }
};

}  // namespace

void Scheduler::Impl::control(Control what, const Selection& which,
                              std::move_only_function<void(Result<ControlResult>)> done) {
  auto pending = std::make_shared<Pending>();
  pending->done = std::move(done);
  std::vector<spool::SetStatus> operations;
  std::vector<Slot> revived;  // sites asked to be tried although in back-off
  const auto consider = [&](Slot r) {
    if (which.domain && all.domain_of(r).name != *which.domain) return;
    const bool takes_away = what == Control::hold || what == Control::cancel;
    if (all[r].place == Place::in_flight && !(takes_away && withdraw(r))) {
      ++pending->result.in_flight;
      return;
    }
    spool::SetStatus operation;
    const Slot site = all.domain_of(r).site;
    if (!change(r, what, operation)) return;
    operations.push_back(std::move(operation));
    if (what == Control::retry && backing_off.contains(site)) revived.push_back(site);
  };
  if (which.message)
    all.for_each_of(*which.message, consider);
  else
    all.for_each(consider);
  for (const Slot site : revived) unblock(site);
  pending->result.changed = static_cast<std::uint32_t>(operations.size());
  pending->left = operations.size();
  if (operations.empty()) ports.loop.post([pending] { pending->finish(); });
  for (spool::SetStatus& operation : operations) {
    const bool taken =
        ports.writer.submit(std::move(operation), ports.loop, [pending](const Result<void>& result) {
          if (!result) pending->error = result.error();
          if (--pending->left == 0) pending->finish();
        });
    RELAY_ASSERT(taken);  // the writer never refuses these
  }
  settle();
}

// Changes one recipient that is not in flight; false if the command means nothing to it.
bool Scheduler::Impl::change(Slot recipient, Control what, spool::SetStatus& operation) {
  const Place place = all[recipient].place;
  const Slot site = all.domain_of(recipient).site;
  const WallTime now = ports.loop.wall();
  operation.ref = all.ref(recipient);
  operation.event.at = now;
  operation.event.recipient = operation.ref.index;
  operation.due = now;
  operation.status = spool::Status::queued;
  switch (what) {
    case Control::retry:
      // Ready and its site not in back-off: it is about to be sent.
      if (place == Place::held || (place == Place::ready && !backing_off.contains(site))) return false;
      operation.event.type = spool::EventType::retried;
      if (place == Place::waiting) put(recipient, Place::ready);
      return true;
    case Control::hold:
      if (place == Place::held) return false;
      operation.event.type = spool::EventType::held;
      operation.status = spool::Status::held;
      put(recipient, Place::held);
      return true;
    case Control::release:
      if (place != Place::held) return false;
      operation.event.type = spool::EventType::released;
      put(recipient, Place::ready);
      return true;
    case Control::cancel:
      operation.event.type = spool::EventType::cancelled;
      operation.status = spool::Status::cancelled;
      forget(recipient);
      return true;
  }
  return false;
}

}  // namespace relay::queue
