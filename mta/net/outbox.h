// Outbox: what one session has still to send, in order: owned texts, slices of shared bodies and secrets,
// never copied on the way to the socket.
#pragma once
#include <sys/uio.h>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "mta/wire/dialog.h"

namespace relay::net {

class Outbox {
 public:
  void take(wire::Output& output);  // everything, behind what is here
  void append(std::string text);
  bool empty() const { return next_ == segments_.size(); }
  std::size_t owned_bytes() const { return owned_bytes_; }  // without shared slices: what it costs in memory

  // The next bytes as vectors for one writev; returns how many are filled. consume() what was written.
  std::size_t gather(std::span<iovec> vectors) const;
  void consume(std::size_t bytes);
  // A secret that is to be sent next, what is left of it; else empty.
  std::string_view front_secret() const;
  // Moves up to `limit` bytes to the end of `to`, and none of a secret.
  void move_to(std::string& to, std::size_t limit);
  void clear();

 private:
  void drop_first();

  std::vector<wire::Output::Segment> segments_;  // those before next_ are sent
  std::size_t next_ = 0;
  std::size_t offset_ = 0;  // sent of segments_[next_]
  std::size_t owned_bytes_ = 0;
};

}  // namespace relay::net
