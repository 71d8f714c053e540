// Dialer: outbound connections as a port. net::UvDialer makes real ones; tests/sim connects to scripted
// hosts.
//
// The dialer owns the dialog from dial() until the session is over. After every event of the session it calls
// `progress` with the session's id; the owner then looks at dialog(id). When the session is over `progress`
// is called a last time with dialog(id) still valid (finished() is true); after that call dialog(id) is null.
// A kick brings a progress later; one from within progress only if it brought output. Nothing is called
// inside dial(). All on the loop's thread.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "mta/wire/client_dialog.h"

namespace relay::net {

struct SessionId {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;  // 0 names no session
  friend bool operator==(SessionId, SessionId) = default;
};

struct Target {
  std::string name;     // host name, for SNI and the log
  std::string address;  // textual IP address
  std::uint16_t port = 25;
};

class Dialer {
 public:
  virtual ~Dialer() = default;
  using Progress = std::move_only_function<void(SessionId)>;
  virtual SessionId dial(const Target& target, std::unique_ptr<wire::ClientDialog> dialog,
                         Progress progress) = 0;
  virtual wire::ClientDialog* dialog(SessionId id) = 0;  // null if it is over; not to be kept
  virtual void kick(SessionId id) = 0;  // the owner gave the dialog something to do (start, quit): send it
};

}  // namespace relay::net
