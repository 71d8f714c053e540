// Link: one connected (or connecting) socket, watched by the loop, with TLS once it has been started. It
// moves bytes and knows of no dialog, no timer and no policy; net/session drives it.
//
// What is to be sent goes through the outbox: by writev straight from its segments, or under TLS in blocks of
// 64 KiB, so that a large body is never encrypted into memory as a whole. The poll handle outlives the Link
// until the loop has let go of it; the socket is closed with the Link. On the loop's thread.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "mta/net/outbox.h"
#include "mta/net/socket.h"
#include "mta/net/tls.h"

struct uv_loop_s;
struct uv_poll_s;

namespace relay::net {

class Link {
 public:
  struct Event {
    bool readable = false;
    bool writable = false;
    bool error = false;  // the socket has an error pending; watching has stopped
  };
  using OnEvent = std::function<void(Event)>;

  Link(uv_loop_s* loop, Socket socket, OnEvent on_event);
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  int fd() const { return socket_.get(); }
  void watch(bool read, bool write);  // costs nothing when nothing changes
  bool watches_reads() const;

  void take(wire::Output& output) { outbox_.take(output); }
  void append(std::string text) { outbox_.append(std::move(text)); }
  bool has_unsent() const { return !outbox_.empty() || !wire_.empty(); }
  std::size_t owned_bytes() const { return outbox_.owned_bytes() + wire_.owned_bytes(); }
  // Sends until all is sent, the socket takes no more (blocked()), the link breaks (broken()), or about
  // `budget` bytes have left. Returns how many have.
  std::size_t flush(std::size_t budget);
  bool blocked() const { return blocked_; }
  void unblock() { blocked_ = false; }
  bool broken() const { return !broken_.empty(); }
  const std::string& broken_reason() const { return broken_; }
  void send_fin();

  struct Received {
    enum class Kind { bytes, nothing, end_of_file, error } kind = Kind::nothing;
    std::string_view bytes;  // within the buffer given
    std::string error;
  };
  Received receive(std::span<char> buffer);
  Received peek(std::span<char> buffer);  // the same, but it stays there

  void start_tls(std::unique_ptr<TlsEngine> engine);
  TlsEngine* tls() { return engine_.get(); }
  void pull_tls();  // what the engine itself has to say (handshake, alert) becomes unsent

 private:
  Received receive(std::span<char> buffer, int flags);
  bool encrypt_block();
  std::size_t write_some(Outbox& from);
  void break_off(std::string why);

  Socket socket_;
  OnEvent on_event_;
  uv_poll_s* poll_;  // freed by the loop, when it has closed
  int watched_ = 0;
  Outbox outbox_;  // plain
  Outbox wire_;    // encrypted
  std::unique_ptr<TlsEngine> engine_;
  bool blocked_ = false;
  std::string broken_;
};

}  // namespace relay::net
