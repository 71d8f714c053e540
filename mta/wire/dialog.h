// Dialog: one side of one connection as a pure machine. SMTP server, SMTP client and HTTP server are Dialogs.
//
// It owns no socket, clock, thread or disk. Its driver (net::Session, or a test) feeds events with the time
// and afterwards does what the dialog wants, in this order: sends output(); acts on wants(); arms one timer
// for deadline(). Events come from one thread, never while another is being handled. After wants() is `close`
// the driver sends what output is left, closes, and calls on_closed no more. Any input is legal: garbage,
// NULs, bytes after the end. A dialog bounds all it keeps (its Limits say how much).
#pragma once
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "mta/base/body.h"
#include "mta/base/clock.h"
#include "mta/base/secret.h"
#include "mta/wire/tls_policy.h"

namespace relay::wire {

struct PeerInfo {
  std::string address;  // "192.0.2.1" or "2001:db8::1"
  std::uint16_t port = 0;
};

// Why the transport ended. `detail` is for the log ("connection refused", "certificate has expired").
struct Closed {
  enum class Why {
    end_of_file,
    reset,
    connect_failed,
    no_route,  // this machine has no way to addresses of that family, or to that one
    connect_timeout,
    tls_failed
  } why = Why::end_of_file;
  std::string detail;
  std::optional<TlsProblem> problem = {};  // of tls_failed, on the client's side
};

// Bytes to be sent, in order, as owned text, as ranges of a shared Body (sent without a copy), or as secrets
// (sent without a copy, and wiped once they have left).
class Output {
 public:
  struct Slice {
    BodyPtr body;
    std::string_view bytes;  // within one of body's segments
  };
  using Segment = std::variant<std::string, Slice, Secret>;
  static std::string_view view(const Segment& segment);

  void append(std::string_view text);  // joins the last owned segment
  void append(BodyPtr body, std::string_view range);
  void append(Secret secret);
  void append(Output&& other);  // all of it; it is empty afterwards
  bool empty() const { return segments_.empty(); }
  std::size_t bytes() const { return bytes_; }
  std::deque<Segment> take();  // everything; the Output is empty after it
  std::string take_text();     // the same flattened, for tests and for TLS

 private:
  std::deque<Segment> segments_;
  std::size_t bytes_ = 0;
};

enum class Want {
  bytes,          // read and deliver
  hold,           // busy (a commit, a look-up): do not read until this changes
  tls_handshake,  // once output is sent: start TLS, then on_tls or on_closed(tls_failed)
  close,          // once output is sent: close
};

class Dialog {
 public:
  virtual ~Dialog() = default;
  // The transport is connected. tls is set when TLS was implicit and its handshake is done.
  virtual void on_open(const PeerInfo& peer, const TlsInfo* tls, Instant now) = 0;
  virtual void on_tls(const TlsInfo& tls, Instant now) = 0;  // the handshake asked for is done
  virtual void on_bytes(std::string_view bytes, Instant now) = 0;
  virtual void on_timeout(Instant now) = 0;  // deadline() has passed
  virtual void on_closed(const Closed& why, Instant now) = 0;
  virtual void on_sent(Instant) {}  // output that was waiting has left
  virtual Output& output() = 0;
  virtual Want wants() const = 0;
  virtual Instant deadline() const = 0;  // `never` if nothing is waited for
};

}  // namespace relay::wire
