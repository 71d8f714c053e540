// What an administrator changes: retry, hold, release, cancel.
#include <algorithm>
#include <unordered_map>

#include "mta/queue/scheduler_impl.h"

namespace relay::queue {

// One command under way. Its changes are submitted in slices; the next begins when all of one are committed,
// so that a command on a million recipients neither holds the loop up nor fills the writer's queue.
struct Scheduler::Impl::Command {
  Control what = Control::retry;
  Selection which;
  std::move_only_function<void(Result<ControlResult>)> done;
  Slot next = 0, end = 0;                           // of all recipients, unless it is about one message
  std::size_t uncommitted = 0;                      // of the slice
  std::unordered_map<Slot, std::uint32_t> revived;  // sites in back-off that it wants tried, with generation
  ControlResult result;
  std::optional<Error> error;

  void failed(const Error& why) {  // of one recipient's change
    if (why.code != Errc::corrupt) {
      error = why;
      return;
    }
    --result.changed;
    ++result.damaged;
  }
};

void Scheduler::Impl::control(Control what, const Selection& which,
                              std::move_only_function<void(Result<ControlResult>)> done) {
  auto command = std::make_shared<Command>();
  command->what = what;
  command->which = which;
  command->done = std::move(done);
  if (which.message) return change_message(command);
  commands.push_back(command);
  if (commands.size() == 1) begin_command();
}

void Scheduler::Impl::change_message(const std::shared_ptr<Command>& command) {
  std::vector<spool::SetStatus> operations;
  all.for_each_of(*command->which.message, [&](Slot r) {
    if (command->which.domain && all.domain_of(r).name != *command->which.domain) return;
    consider(*command, r, operations);
  });
  commit(command, std::move(operations));
}

void Scheduler::Impl::begin_command() {
  Command& command = *commands.front();
  command.end = all.slots();
  change_slice(commands.front());
}

void Scheduler::Impl::change_slice(const std::shared_ptr<Command>& command) {
  constexpr std::uint32_t looks_for_a_change = 20;  // to look at a recipient takes so much less
  std::vector<spool::SetStatus> operations;
  const Slot domain = command->which.domain ? all.find_domain(*command->which.domain) : no_slot;
  if (command->which.domain && domain == no_slot) command->next = command->end;
  std::uint32_t looks = looks_for_a_change * settings.recipients_per_slice;
  for (; command->next < command->end && looks > 0; --looks, ++command->next) {
    if (operations.size() >= settings.recipients_per_slice) break;
    const Slot r = command->next;
    if (!all.used(r) || (domain != no_slot && all[r].domain != domain)) continue;
    consider(*command, r, operations);
  }
  commit(command, std::move(operations));
}

void Scheduler::Impl::consider(Command& command, Slot r, std::vector<spool::SetStatus>& operations) {
  const Control what = command.what;
  // Its sender has said when; only who names the message means it.
  if (what == Control::retry && !command.which.message && all.message_of(r).since > ports.loop.wall()) return;
  const bool takes_away = what == Control::hold || what == Control::cancel;
  if (all[r].place == Place::in_flight && !(takes_away && withdraw(r))) {
    ++command.result.in_flight;
    return;
  }
  spool::SetStatus operation;
  const Slot site = all.domain_of(r).site;
  const auto revived = command.revived.find(site);
  const bool rests =
      backing_off.contains(site) || (revived != command.revived.end() && sites.is(site, revived->second));
  if (!change(r, what, rests, operation)) return;
  operations.push_back(std::move(operation));
  if (what == Control::retry && rests) command.revived.insert_or_assign(site, sites.generation(site));
}

void Scheduler::Impl::commit(const std::shared_ptr<Command>& command,
                             std::vector<spool::SetStatus> operations) {
  command->result.changed += static_cast<std::uint32_t>(operations.size());
  command->uncommitted = operations.size();
  if (operations.empty()) ports.loop.post(guarded([this, command] { committed(command); }));
  for (spool::SetStatus& operation : operations) {
    const bool taken = ports.writer.submit(std::move(operation), ports.loop,
                                           [this, command, life = alive()](const Result<void>& result) {
                                             if (!result) command->failed(result.error());
                                             if (--command->uncommitted > 0) return;
                                             if (life.expired())
                                               finish(*command);
                                             else
                                               committed(command);
                                           });
    RELAY_ASSERT(taken);  // the writer never refuses these
  }
  settle();
}

void Scheduler::Impl::committed(const std::shared_ptr<Command>& command) {
  if (!command->error && command->next < command->end) return change_slice(command);
  // Not before: what is sent meanwhile would be gone when its slice comes, and not be counted.
  for (const auto& [site, generation] : command->revived)
    if (sites.is(site, generation) && backing_off.contains(site)) unblock(site);
  if (!command->which.message) commands.pop_front();
  finish(*command);
  if (!command->which.message && !commands.empty()) begin_command();
  settle();
}

void Scheduler::Impl::finish(Command& command) {
  if (command.error)
    command.done(std::unexpected(*command.error));
  else
    command.done(command.result);
}

// Changes one recipient that is not in flight; `rests`: its site was in back-off. False if the command means
// nothing to it.
bool Scheduler::Impl::change(Slot recipient, Control what, bool rests, spool::SetStatus& operation) {
  const Place place = all[recipient].place;
  const WallTime now = ports.loop.wall();
  operation.ref = all.ref(recipient);
  operation.event.at = now;
  operation.event.recipient = operation.ref.index;
  operation.due = now;
  operation.status = spool::Status::queued;
  switch (what) {
    case Control::retry:
      // Ready and its site not in back-off: it is about to be sent.
      if (place == Place::held || (place == Place::ready && !rests)) return false;
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
      operation.due = std::max(now, all.message_of(recipient).since);  // what is scheduled still is
      if (operation.due > now)
        put(recipient, Place::waiting, instant_of(operation.due));
      else
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
