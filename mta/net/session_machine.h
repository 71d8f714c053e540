// SessionMachine: one session of a SessionTable: what happens to its dialog when its link, its timer or its
// owner has something for it. See session.h for the rules it keeps.
//
// Phases: fresh -> [connecting | proxying ->] [handshaking ->] open <-> handshaking (STARTTLS) -> flushing ->
// lingering
// -> gone. From flushing on the dialog is over. The machine never destroys itself: it asks to be buried, and
// the table does so when the call stack has left it.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "mta/net/link.h"
#include "mta/net/session.h"
#include "mta/wire/proxy_header.h"

namespace relay::net {

class SessionMachine;

// What a session needs of its table.
struct SessionHost {
  UvLoop& loop;
  SessionLimits limits;
  std::span<char> buffer;                       // for one read, shared by all
  std::function<void(SessionMachine&)> later;   // call resume() later in this turn
  std::function<void(SessionMachine&)> buried;  // it is gone
};

class SessionMachine {
 public:
  struct Parts {
    std::unique_ptr<wire::Dialog> dialog;
    std::shared_ptr<TlsContext> tls;
    SessionTable::Progress progress;
    Incoming incoming;  // of a server; its descriptor has moved to the socket
    bool implicit_tls = false;
    std::unique_ptr<TlsRemote> remote;  // of a client
  };
  // `socket` is accepted, or connecting, or the reason why there is none.
  SessionMachine(SessionHost& host, SessionId id, Parts parts, Result<Socket> socket);
  ~SessionMachine();
  SessionMachine(const SessionMachine&) = delete;
  SessionMachine& operator=(const SessionMachine&) = delete;

  SessionId id() const { return id_; }
  wire::Dialog* dialog() { return parts_.dialog.get(); }
  bool over() const { return over_; }
  void kick();
  void close();
  void resume();

 private:
  enum class Phase { fresh, connecting, proxying, handshaking, open, flushing, lingering, gone };

  Instant now() const { return host_.loop.now(); }
  void later();
  void begin();
  void open();
  wire::PeerInfo peer() const;
  void on_event(Link::Event event);
  void on_connected();
  void on_timer();
  // Reading.
  bool may_read() const;
  void read(bool error);
  void feed_tls(std::string_view bytes);
  void on_established();
  bool deliver_plain();
  void discard_input();
  // The PROXY header (session_proxy.cc).
  void await_header();
  void read_header(bool error);
  void on_header(const wire::ProxyHeader& header);
  void no_header(std::string why, Errc code = Errc::invalid);
  void turn_away(std::string_view text);
  // After every event: send, act on what the dialog wants, watch, arm the timer.
  void settle();
  bool send(std::size_t& left);
  bool pull_output();
  bool awaits_opening() const;
  void owe(std::size_t bytes);
  bool act();
  void start_handshake();
  void watch();
  Instant next_deadline() const;
  Instant write_deadline() const;
  bool deadline_counts() const;
  void rearm();
  // The end.
  void call_progress();
  void end(wire::Closed::Why why, std::string detail);
  void begin_close();
  void finish_close();
  void last_progress();
  void vanish();

  SessionHost& host_;
  SessionId id_;
  Parts parts_;
  std::optional<Link> link_;
  wire::Closed connect_error_;
  Phase phase_ = Phase::fresh;
  std::string header_;   // of the PROXY protocol, while it is not whole
  bool opened_ = false;  // on_open was called
  bool over_ = false;
  bool later_asked_ = false;
  bool in_progress_ = false;
  bool kicked_ = false;
  bool close_asked_ = false;
  bool input_waits_ = false;  // it came while the dialog did not want it
  bool peer_ended_ = false;
  bool sent_owed_ = false;   // output has been taken, on_sent not yet called
  Instant moved_at_{};       // when output last moved
  Instant sent_by_ = never;  // when all output there is must have left; never if there is none
  Instant phase_deadline_ = never;
  Instant told_ = never;  // the dialog's deadline it was last told of
  TimerId timer_;
  Instant timer_at_ = never;
};

}  // namespace relay::net
