// Result: the value, or a sentence saying what in our own world went wrong.
//
// An Error is for us and the administrator: a file, a socket, the store, a setting. What a remote server
// answered is not an Error but data (wire::Reply, queue::Outcome), and a broken invariant is RELAY_ASSERT,
// which stays on in release. No exception crosses a module's edge: libraries that throw are caught where they
// are called.
#pragma once
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace relay {

enum class Errc {
  invalid,      // the caller gave something that cannot be used
  not_found,    // what was asked for does not exist
  conflict,     // it exists already, or is in a state that forbids this
  full,         // a queue, a disk, a map: try again later
  unavailable,  // a peer or a service does not answer
  corrupt,      // stored data fails its checksum or has no legal meaning
  system,       // the operating system or a library refused
};

struct Error {
  Errc code = Errc::system;
  std::string message;  // one sentence, without a final full stop
};

template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(Errc code, std::string message) {
  return std::unexpected(Error{code, std::move(message)});
}

[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);

}  // namespace relay

#define RELAY_ASSERT(expression) \
  (static_cast<bool>(expression) ? void() : ::relay::assertion_failed(#expression, __FILE__, __LINE__))
