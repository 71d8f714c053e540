#include "mta/net/session.h"

#include <fmt/format.h>
#include <uv.h>

#include <utility>
#include <vector>

#include "mta/net/session_machine.h"

namespace relay::net {
namespace {

constexpr std::size_t read_bytes = 64 * 1024;

}  // namespace

struct SessionTable::Impl {
  struct Slot {
    std::uint32_t generation = 0;  // of the session in it, or of the last one
    std::unique_ptr<SessionMachine> session;
  };

  std::vector<char> buffer = std::vector<char>(read_bytes);
  SessionHost host;
  std::vector<Slot> slots;
  std::vector<std::uint32_t> free;
  std::vector<Id> waiting;  // whose resume() is due
  std::vector<std::unique_ptr<SessionMachine>> graveyard;
  uv_idle_t* idle = nullptr;  // active while `waiting` or `graveyard` holds something
  std::size_t alive = 0;

  Impl(UvLoop& loop, SessionLimits limits)
      : host{loop, limits, buffer, [this](SessionMachine& s) { resume_later(s); },
             [this](SessionMachine& s) { bury(s); }} {
    auto handle = std::make_unique<uv_idle_t>();
    RELAY_ASSERT(uv_idle_init(loop.raw(), handle.get()) == 0);
    handle->data = this;
    idle = handle.release();
  }

  ~Impl() {
    graveyard.clear();
    slots.clear();
    uv_close(reinterpret_cast<uv_handle_t*>(idle),
             [](uv_handle_t* h) { const std::unique_ptr<uv_idle_t> done(reinterpret_cast<uv_idle_t*>(h)); });
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  SessionMachine* find(Id id) const {
    if (id.generation == 0 || id.slot >= slots.size() || slots[id.slot].generation != id.generation)
      return nullptr;
    return slots[id.slot].session.get();
  }

  Id add(SessionMachine::Parts parts, Result<Socket> socket) {
    std::uint32_t index = 0;
    if (free.empty()) {
      index = static_cast<std::uint32_t>(slots.size());
      slots.emplace_back();
    } else {
      index = free.back();
      free.pop_back();
    }
    Slot& slot = slots[index];
    if (++slot.generation == 0) slot.generation = 1;
    const Id id{index, slot.generation};
    slot.session = std::make_unique<SessionMachine>(host, id, std::move(parts), std::move(socket));
    ++alive;
    return id;
  }

  void wake() {
    uv_idle_start(idle, [](uv_idle_t* h) { static_cast<Impl*>(h->data)->run_turn(); });
  }

  void resume_later(SessionMachine& session) {
    waiting.push_back(session.id());
    wake();
  }

  void bury(SessionMachine& session) {
    const std::uint32_t slot = session.id().slot;
    graveyard.push_back(std::move(slots[slot].session));
    free.push_back(slot);
    --alive;
    wake();
  }

  // Before each wait for events: what was asked for since. Nothing of a session is on the stack here.
  void run_turn() {
    uv_idle_stop(idle);
    graveyard.clear();
    for (const Id id : std::exchange(waiting, {})) {
      if (SessionMachine* session = find(id)) session->resume();
    }
  }
};

SessionTable::SessionTable(UvLoop& loop, SessionLimits limits)
    : impl_(std::make_unique<Impl>(loop, limits)) {}
SessionTable::~SessionTable() = default;

SessionId SessionTable::adopt(Incoming incoming, std::unique_ptr<wire::Dialog> dialog,
                              std::shared_ptr<TlsContext> tls, bool implicit, Progress progress) {
  Socket socket(incoming.fd);
  send_at_once(incoming.fd);
  SessionMachine::Parts parts;
  parts.incoming = std::move(incoming);
  parts.dialog = std::move(dialog);
  parts.tls = std::move(tls);
  parts.progress = std::move(progress);
  parts.implicit_tls = implicit;
  return impl_->add(std::move(parts), std::move(socket));
}

SessionId SessionTable::connect(const Target& target, std::unique_ptr<wire::Dialog> dialog,
                                std::shared_ptr<TlsContext> tls, Progress progress, wire::TlsPolicy policy) {
  SessionMachine::Parts parts;
  parts.dialog = std::move(dialog);
  parts.tls = std::move(tls);
  parts.progress = std::move(progress);
  parts.implicit_tls = policy.implicit;
  parts.remote = std::make_unique<TlsRemote>(target.name, fmt::format("[{}]:{}", target.address, target.port),
                                             std::move(policy));
  return impl_->add(std::move(parts), start_connect(target.address, target.port));
}

wire::Dialog* SessionTable::dialog(Id id) {
  SessionMachine* session = impl_->find(id);
  return session != nullptr ? session->dialog() : nullptr;
}

bool SessionTable::over(Id id) const {
  const SessionMachine* session = impl_->find(id);
  return session == nullptr || session->over();
}

void SessionTable::kick(Id id) {
  if (SessionMachine* session = impl_->find(id)) session->kick();
}

void SessionTable::close(Id id) {
  if (SessionMachine* session = impl_->find(id)) session->close();
}

void SessionTable::close_all() {
  impl_->graveyard.clear();
  impl_->waiting.clear();
  for (std::uint32_t i = 0; i < impl_->slots.size(); ++i) {
    if (!impl_->slots[i].session) continue;
    impl_->slots[i].session.reset();
    impl_->free.push_back(i);
  }
  impl_->alive = 0;
}

std::size_t SessionTable::size() const { return impl_->alive; }

void SessionTable::for_each_id(const std::function<void(Id)>& f) {
  std::vector<Id> ids;  // f may close them
  for (const auto& slot : impl_->slots)
    if (slot.session && !slot.session->over()) ids.push_back(slot.session->id());
  for (const Id id : ids) f(id);
}

}  // namespace relay::net
