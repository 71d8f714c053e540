#include "mta/net/link.h"

#include <uv.h>

#include <array>
#include <cerrno>

namespace relay::net {
namespace {

constexpr std::size_t tls_block_bytes = 64 * 1024;  // four records; bounds what is encrypted ahead
constexpr std::size_t vectors_at_once = 64;         // of the 1024 the kernel takes; more gains nothing

}  // namespace

Link::Link(uv_loop_s* loop, Socket socket, OnEvent on_event)
    : socket_(std::move(socket)), on_event_(std::move(on_event)) {
  auto poll = std::make_unique<uv_poll_t>();
  RELAY_ASSERT(uv_poll_init(loop, poll.get(), socket_.get()) == 0);
  poll->data = this;
  poll_ = poll.release();
}

Link::~Link() {
  uv_close(reinterpret_cast<uv_handle_t*>(poll_),
           [](uv_handle_t* h) { const std::unique_ptr<uv_poll_t> done(reinterpret_cast<uv_poll_t*>(h)); });
}

void Link::watch(bool read, bool write) {
  const int events = (read ? UV_READABLE : 0) | (write ? UV_WRITABLE : 0);
  if (events == watched_) return;
  watched_ = events;
  if (events == 0) {
    uv_poll_stop(poll_);
    return;
  }
  uv_poll_start(poll_, events, [](uv_poll_t* h, int status, int happened) {
    Link& link = *static_cast<Link*>(h->data);
    if (status < 0) link.watched_ = 0;  // libuv has stopped the handle (EPOLLERR)
    link.on_event_({(happened & UV_READABLE) != 0, (happened & UV_WRITABLE) != 0, status < 0});
  });
}

bool Link::watches_reads() const { return (watched_ & UV_READABLE) != 0; }

std::size_t Link::flush(std::size_t budget) {
  std::size_t moved = 0;
  while (!blocked_ && !broken() && moved < budget) {
    if (engine_ && wire_.empty() && !encrypt_block()) break;
    Outbox& from = engine_ ? wire_ : outbox_;
    if (from.empty()) break;
    moved += write_some(from);
  }
  return moved;
}

// False if there is nothing to encrypt, or it cannot be.
bool Link::encrypt_block() {
  pull_tls();
  if (!wire_.empty()) return true;
  if (outbox_.empty() || !engine_->established()) return false;
  std::string plain;
  outbox_.move_to(plain, tls_block_bytes);
  const std::string_view secret = plain.empty() ? outbox_.front_secret() : std::string_view();
  if (auto written = engine_->write(secret.empty() ? plain : secret); !written) {
    break_off(written.error().message);
    return false;
  }
  outbox_.consume(secret.size());
  pull_tls();
  return true;
}

std::size_t Link::write_some(Outbox& from) {
  std::array<iovec, vectors_at_once> vectors;
  msghdr message{};
  message.msg_iov = vectors.data();
  message.msg_iovlen = from.gather(vectors);
  std::size_t offered = 0;
  for (std::size_t i = 0; i < message.msg_iovlen; ++i) offered += vectors[i].iov_len;
  const ssize_t n = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
  if (n < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK)
      blocked_ = true;
    else if (errno != EINTR)
      break_off(reason(errno));
    return 0;
  }
  const auto sent = static_cast<std::size_t>(n);
  from.consume(sent);
  if (sent < offered) blocked_ = true;  // the buffer is full: no need to hear it again
  return sent;
}

void Link::break_off(std::string why) {
  broken_ = std::move(why);
  outbox_.clear();
  wire_.clear();
}

void Link::send_fin() { ::shutdown(socket_.get(), SHUT_WR); }

Link::Received Link::receive(std::span<char> buffer) { return receive(buffer, 0); }
Link::Received Link::peek(std::span<char> buffer) { return receive(buffer, MSG_PEEK); }

Link::Received Link::receive(std::span<char> buffer, int flags) {
  while (true) {
    const ssize_t n = ::recv(socket_.get(), buffer.data(), buffer.size(), flags);
    if (n > 0) return {Received::Kind::bytes, {buffer.data(), static_cast<std::size_t>(n)}, {}};
    if (n == 0) return {Received::Kind::end_of_file, {}, {}};
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return {};
    return {Received::Kind::error, {}, reason(errno)};
  }
}

void Link::start_tls(std::unique_ptr<TlsEngine> engine) { engine_ = std::move(engine); }

void Link::pull_tls() {
  if (engine_) wire_.append(engine_->to_wire());
}

}  // namespace relay::net
