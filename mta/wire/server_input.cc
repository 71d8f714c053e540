// What comes from the client, cut into lines and content, as far as the state allows.
#include <algorithm>

#include "mta/wire/ascii.h"
#include "mta/wire/server_impl.h"

namespace relay::wire {

using State = ServerDialog::Impl::State;

std::size_t ServerDialog::Impl::line_limit(std::string_view line_so_far) const {
  bool auth = state == State::authenticating || starts_ignoring_case(line_so_far, "AUTH ");
  return auth ? limits().auth_line_bytes : limits().command_line_bytes;
}

void ServerDialog::Impl::take_bytes(std::string_view bytes, Instant now) {
  if (in.empty()) {
    keep(bytes.substr(consume(bytes, now)));
    discard_unwanted();
  } else {
    keep(bytes);
    go_on(now);
  }
}

void ServerDialog::Impl::go_on(Instant now) {
  std::string held = std::exchange(in, std::string());
  keep(std::string_view(held).substr(consume(held, now)));
  wipe(held);
  discard_unwanted();
}

// What is kept may be half an AUTH line, so growing leaves no copy behind.
void ServerDialog::Impl::keep(std::string_view bytes) {
  if (in.capacity() - in.size() < bytes.size()) {
    std::string larger;
    larger.reserve(std::max(2 * in.size(), in.size() + bytes.size()));
    larger += in;
    wipe(in);
    in = std::move(larger);
  }
  in += bytes;
}

// RFC 3207 4.2: not one byte of the clear crosses into TLS, whether STARTTLS came alone or had to wait.
void ServerDialog::Impl::discard_unwanted() {
  if (state == State::closed || state == State::tls) wipe(in);
}

// As much as the state allows: whole lines, or message content. Stops where an answer of the owner is needed.
std::size_t ServerDialog::Impl::consume(std::string_view bytes, Instant now) {
  std::size_t at = 0;
  while (at < bytes.size()) {
    std::size_t taken = 0;
    switch (state) {
      case State::data: taken = consume_data(bytes.substr(at), now); break;
      case State::chunk: taken = consume_chunk(bytes.substr(at), now); break;
      case State::command:
      case State::authenticating: taken = consume_line(bytes.substr(at), now); break;
      case State::waiting:
      case State::slowed:
      case State::tls:
      case State::closed: break;
    }
    if (taken == 0) break;
    at += taken;
  }
  return at;
}

// One line with its LF (a client that ends lines in LF alone is understood: nothing can be smuggled in
// commands).
std::size_t ServerDialog::Impl::consume_line(std::string_view bytes, Instant now) {
  // A TLS handshake where it is not yet expected may never have an LF in it.
  if (!skipping && helo.empty() && bytes.starts_with("\x16\x03")) {
    on_command(bytes, now);
    return bytes.size();
  }
  std::size_t end = bytes.find('\n');
  std::size_t limit = line_limit(bytes);
  if (!skipping && std::min(end, bytes.size()) >= limit && starts_ignoring_case(bytes, "BDAT")) {
    handle(Bdat{}, now);
    return bytes.size();
  }
  if (end == std::string_view::npos) {
    if (!skipping && bytes.size() <= limit) return 0;
    skipping = true;
    return bytes.size();
  }
  if (skipping || end + 1 > limit) {
    skipping = false;
    sasl.reset();
    if (state == State::authenticating) state = State::command;
    say(500, "5.5.2", "Line too long");
    rest(now);
    return end + 1;
  }
  std::string_view line = bytes.substr(0, end);
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (state == State::authenticating) {
    on_auth_line(line, now);
  } else {
    on_command(line, now);
  }
  return end + 1;
}

}  // namespace relay::wire
