// Sessions: the only code that moves bytes between sockets and dialogs, and arms one timer for each.
//
// A SessionTable owns the sessions of one loop: socket, TLS engine if any, dialog, timer. They are named by
// ids (slot, generation); a stale id finds nothing. After every event of a session, a kick among them, its
// `progress` is called with the id; during it the owner may use dialog(id), kick() and close() any session.
// No function here calls progress: sessions opened, kicked or closed are seen to later in the same turn of
// the loop. The last `progress` comes with `over(id)` true and dialog(id) still there; after it, dialog(id)
// is null.
//
// Reading stops while the dialog wants `hold` or while more than Limits::unsent_bytes of its own wait to be
// written (shared slices of a Body do not count). A session whose output does not move for
// Limits::write_timeout is closed (a client that never reads), and so is one whose output takes longer than
// that and Limits::least_rate allow, from when it began to wait (a client that reads a byte now and then);
// both hold as well while a session is being closed. When a peer closes its half, what is unsent is still
// sent. When the dialog wants to close, a server's socket sends its end first and waits for the peer's, so
// that the last reply is not lost to a reset. Sockets have TCP_NODELAY; output leaves by one writev per turn
// where possible. All on the loop's thread.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "mta/base/result.h"
#include "mta/net/dialer.h"
#include "mta/net/tls.h"
#include "mta/net/uv_loop.h"
#include "mta/wire/dialog.h"

namespace relay::net {

struct SessionLimits {
  std::size_t unsent_bytes = 1u << 20;
  Duration write_timeout = std::chrono::minutes(5);
  // Bytes a second at which a peer must take output on average, write_timeout being left aside: the slowest
  // modem is faster.
  std::uint32_t least_rate = 500;
  Duration handshake_timeout = std::chrono::seconds(60);  // TLS, from its start
  Duration linger_timeout = std::chrono::seconds(5);      // for the peer's end after ours, input discarded
  Duration proxy_timeout = std::chrono::seconds(10);      // for a PROXY header, from the connection's start:
                                                          // a balancer sends it with the first segment
};

// An accepted connection, non-blocking.
struct Incoming {
  // Told the client's address as the PROXY header has it (`peer` if it names none), or why there is no
  // header: the connection is closed then. Errc::not_found: it was, without a byte. An answer turns the
  // client away: it is sent unless TLS has to come first, and the connection is closed.
  using OnHeader = std::move_only_function<std::optional<std::string>(const Result<wire::PeerInfo>& client)>;

  int fd = -1;
  wire::PeerInfo peer;
  OnHeader on_header = {};          // set: a PROXY header comes before all else (wire/proxy_header.h)
  std::shared_ptr<void> kept = {};  // until the socket is closed, which can be after the dialog's end
};

class SessionTable {
 public:
  SessionTable(UvLoop& loop, SessionLimits limits);
  ~SessionTable();  // closes every socket at once; no progress is called

  using Id = SessionId;
  using Progress = std::move_only_function<void(Id)>;

  // `tls`: for implicit TLS at once if implicit, else for STARTTLS; null without.
  Id adopt(Incoming incoming, std::unique_ptr<wire::Dialog> dialog, std::shared_ptr<TlsContext> tls,
           bool implicit, Progress progress);
  // What TLS there is, from the first byte if the policy says so, keeps to `policy`.
  Id connect(const Target& target, std::unique_ptr<wire::Dialog> dialog, std::shared_ptr<TlsContext> tls,
             Progress progress, wire::TlsPolicy policy = {});
  wire::Dialog* dialog(Id id);
  bool over(Id id) const;
  void kick(Id id);   // the dialog has new output or changed what it wants
  void close(Id id);  // at once; the dialog hears on_closed, the owner a last progress
  // Every socket at once, also those that linger; no progress is called, every id is stale. Not from within
  // one.
  void close_all();
  std::size_t size() const;  // sockets, those included whose dialogs are over but which still wait to close
  template <class F>
  void for_each(F f) {
    for_each_id([&](Id id) { f(id); });
  }

 private:
  void for_each_id(const std::function<void(Id)>& f);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace relay::net
