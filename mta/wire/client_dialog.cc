#include "mta/wire/client_dialog.h"

#include <utility>

#include "mta/wire/client_machine.h"

namespace relay::wire {

struct ClientDialog::Impl {
  ClientMachine machine;
};

ClientDialog::ClientDialog(ClientSettings settings, Instant now)
    : impl_(new Impl{ClientMachine(std::move(settings), now)}) {}
ClientDialog::~ClientDialog() = default;

void ClientDialog::on_open(const PeerInfo&, const TlsInfo* tls, Instant now) {
  impl_->machine.on_open(tls, now);
}
void ClientDialog::on_tls(const TlsInfo& tls, Instant now) { impl_->machine.on_tls(tls, now); }
void ClientDialog::on_bytes(std::string_view bytes, Instant now) { impl_->machine.on_bytes(bytes, now); }
void ClientDialog::on_timeout(Instant now) { impl_->machine.on_timeout(now); }
void ClientDialog::on_closed(const Closed& why, Instant) { impl_->machine.on_closed(why); }
void ClientDialog::on_sent(Instant now) { impl_->machine.on_sent(now); }
Output& ClientDialog::output() { return impl_->machine.output; }
Want ClientDialog::wants() const { return impl_->machine.want; }
Instant ClientDialog::deadline() const { return impl_->machine.deadline; }

bool ClientDialog::ready() const { return impl_->machine.ready(); }
bool ClientDialog::finished() const { return impl_->machine.finished(); }
void ClientDialog::start(Transaction transaction, Instant now) {
  impl_->machine.start(std::move(transaction), now);
}
std::optional<TransactionResult> ClientDialog::take_result() {
  return std::exchange(impl_->machine.result, std::nullopt);
}
const std::optional<Fact>& ClientDialog::session_failure() const { return impl_->machine.failure; }
void ClientDialog::quit(Instant now) { impl_->machine.quit(now); }
const std::optional<TlsInfo>& ClientDialog::tls() const { return impl_->machine.tls(); }
const TlsPolicy& ClientDialog::tls_policy() const { return impl_->machine.tls_policy(); }

bool may_know_helo(const ClientSettings& settings, const Fact& failure, bool tls) {
  // HELO brings neither TLS nor AUTH.
  if (settings.helo_only || tls || settings.tls.demands_tls() || settings.auth) return false;
  return failure.stage == Stage::ehlo && std::holds_alternative<Closed>(failure.answer);
}

std::optional<TlsProblem> tls_problem(const Fact& failure) {
  if (const auto* lack = std::get_if<Unsupported>(&failure.answer)) {
    if (lack->extension == "STARTTLS") return TlsProblem::starttls_not_supported;
  } else if (const auto* closed = std::get_if<Closed>(&failure.answer)) {
    if (closed->problem) return closed->problem;
  }
  if (failure.stage == Stage::handshake || failure.stage == Stage::starttls)
    return TlsProblem::validation_failure;
  return std::nullopt;
}

}  // namespace relay::wire
