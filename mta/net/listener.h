// Listener: a listening TCP (SO_REUSEPORT, so that every loop has its own) or Unix socket; hands accepted
// descriptors (non-blocking, close-on-exec) to a function.
//
// It keeps one descriptor in reserve. When there is no other left, each connection is taken with that one,
// given to a second function that says so, and closed by becoming the reserve again: nobody else can snatch
// it in between. So clients are told in time and the backlog does not fill up. If another thread takes the
// reserve in the moment when it is given up, the listener pauses, and what it accepts next becomes the
// reserve.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "mta/base/result.h"
#include "mta/net/uv_loop.h"
#include "mta/wire/dialog.h"

namespace relay::net {

class Listener {
 public:
  using OnAccept = std::move_only_function<void(int fd, const wire::PeerInfo& peer)>;
  using OnExhausted = std::move_only_function<void(int fd, const wire::PeerInfo& peer)>;
  // `on_accept` takes the descriptor; `exhausted`, which may be left out, only borrows it.
  // The error names address, port and reason ("127.0.0.1:2587 is in use by another program").
  static Result<std::unique_ptr<Listener>> tcp(UvLoop& loop, const std::string& address, std::uint16_t port,
                                               OnAccept on_accept, OnExhausted exhausted = {});
  // Whether nobody listens there yet. SO_REUSEPORT lets two programs of one user share a port unnoticed, so
  // this is asked once before a program's loops listen.
  static Result<void> check_free(const std::string& address, std::uint16_t port);
  // A stale socket file is replaced; a live one is an error. Mode 0660.
  static Result<std::unique_ptr<Listener>> local(UvLoop& loop, const std::string& path, OnAccept on_accept,
                                                 OnExhausted exhausted = {});
  ~Listener();
  std::uint16_t port() const;  // the one bound, also when 0 was asked for

 private:
  struct Impl;
  explicit Listener(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace relay::net
