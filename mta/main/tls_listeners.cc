#include "mta/main/tls_listeners.h"

#include <fmt/format.h>

namespace relay {

Result<std::unique_ptr<TlsListeners>> TlsListeners::make(const conf::Config& config, WallTime wall,
                                                         Instant now) {
  std::unique_ptr<TlsListeners> made(new TlsListeners(config.tls.check_interval));
  made->submission_.resize(config.submission.listeners.size());
  made->inbound_.resize(config.inbound.listeners.size());
  made->http_.resize(config.http.listeners.size());
  if (config.tls.certificates.standard.certificate.empty()) return made;
  auto certificates = net::CertificateStore::open(config.tls.certificates, wall);
  if (!certificates) return std::unexpected(certificates.error());
  made->certificates_ = std::move(*certificates);
  const auto add = [&](std::shared_ptr<net::TlsContext>& to, const std::string& address,
                       std::uint16_t port) -> Result<void> {
    auto context = net::TlsContext::server(made->certificates_, fmt::format("{} {}", address, port), now);
    if (!context) return std::unexpected(context.error());
    to = std::move(*context);
    return {};
  };
  for (std::size_t i = 0; i < made->submission_.size(); ++i) {
    const auto& at = config.submission.listeners[i];
    if (auto added = add(made->submission_[i], at.address, at.port); !added)
      return std::unexpected(added.error());
  }
  for (std::size_t i = 0; i < made->inbound_.size(); ++i) {
    const auto& at = config.inbound.listeners[i];
    if (auto added = add(made->inbound_[i], at.address, at.port); !added)
      return std::unexpected(added.error());
  }
  for (std::size_t i = 0; i < made->http_.size(); ++i) {
    const auto& at = config.http.listeners[i];
    if (!at.tls) continue;
    if (auto added = add(made->http_[i], at.address, at.port); !added) return std::unexpected(added.error());
  }
  return made;
}

void TlsListeners::watch(Loop& loop) {
  if (!certificates_) return;
  loop.at(loop.now() + check_interval_, [this, &loop] {
    certificates_->check(loop.wall());
    for (const auto* contexts : {&submission_, &inbound_, &http_})
      for (const auto& context : *contexts)
        if (context) context->refresh_tickets(loop.now());
    watch(loop);
  });
}

}  // namespace relay
