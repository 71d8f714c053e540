#include "mta/wire/client_transaction.h"

#include <fmt/format.h>

#include <algorithm>

#include "mta/base/result.h"
#include "mta/wire/ascii.h"
#include "mta/wire/dsn_parameters.h"
#include "mta/wire/headers.h"

namespace relay::wire {
namespace {

// A line's end in an address would be a command of its own. Intake refuses such; this is the last door.
bool sendable(std::string_view address) {
  return std::ranges::none_of(address, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

Reply not_sendable(std::string enhanced) {
  return Reply{553, std::move(enhanced), {"not sent: the address has a control character"}};
}

}  // namespace

TransactionRun::TransactionRun(Transaction transaction, const Session& session)
    : transaction_(std::move(transaction)), session_(session) {
  RELAY_ASSERT(transaction_.body != nullptr);
  facts_.resize(transaction_.recipients.size());
  for (std::size_t i = 0; i < facts_.size(); ++i) {
    if (!sendable(transaction_.reverse_path))
      facts_[i] = Fact{Stage::mail, not_sendable("5.1.7")};
    else if (!sendable(transaction_.recipients[i].address))
      facts_[i] = Fact{Stage::rcpt, not_sendable("5.1.3")};
    else
      asked_.push_back(i);
  }
  smtputf8_ = transaction_.smtputf8 && needs_smtputf8();
}

// RFC 6531 3.4: asked for by many programs whatever they send, and refused by many hosts still.
bool TransactionRun::needs_smtputf8() const {
  if (has_eight_bit(transaction_.reverse_path)) return true;
  for (const Recipient& r : transaction_.recipients)
    if (has_eight_bit(r.address)) return true;
  const HeaderScan scan = scan_headers(*transaction_.body);
  return scan.eight_bit || !scan.complete;
}

std::optional<Unsupported> TransactionRun::lacks() const {
  const Extensions& offered = session_.offered;
  if (transaction_.require_tls) {  // RFC 8689 4.2.1
    if (!session_.tls) return Unsupported{"REQUIRETLS", "the session is not under TLS"};
    if (session_.tls->verified == TlsVerified::no)
      return Unsupported{"REQUIRETLS", "the host's certificate has not been verified"};
    if (!offered.requiretls) return Unsupported{"REQUIRETLS"};
  }
  if (smtputf8_ && !offered.smtputf8) return Unsupported{"SMTPUTF8"};
  // RFC 1870: what is known to be too large is not worth sending. 0 is no fixed limit.
  if (offered.size.value_or(0) > 0 && transaction_.body->size() > *offered.size) return Unsupported{"SIZE"};
  return std::nullopt;
}

std::string TransactionRun::mail_command() const {
  const Extensions& offered = session_.offered;
  std::string command = fmt::format("MAIL FROM:<{}>", transaction_.reverse_path);
  if (offered.size) command += fmt::format(" SIZE={}", transaction_.body->size());
  if (transaction_.eight_bit && offered.eight_bit) command += " BODY=8BITMIME";
  if (smtputf8_) command += " SMTPUTF8";
  if (transaction_.require_tls) command += " REQUIRETLS";
  if (offered.dsn) command += dsn_of_mail(transaction_.ret, transaction_.id);
  return command + "\r\n";
}

std::string TransactionRun::rcpt_command(std::size_t asked) const {
  const Recipient& recipient = transaction_.recipients[asked_[asked]];
  return fmt::format("RCPT TO:<{}>{}\r\n", recipient.address,
                     session_.offered.dsn ? dsn_of_rcpt(recipient) : "");
}

void TransactionRun::on_mail(const Reply& reply) {
  if (reply.positive())
    open_ = true;
  else
    decide_rest(Fact{Stage::mail, reply});
}

void TransactionRun::on_rcpt(const Reply& reply) {
  std::optional<Fact>& fact = facts_[asked_[answered_++]];
  if (reply.positive()) open_ = true;
  if (fact) return;  // MAIL was refused
  if (reply.positive())
    ++accepted_;
  else
    fact = Fact{Stage::rcpt, reply};
}

void TransactionRun::decide_rest(const Fact& fact) {
  for (auto& mine : facts_)
    if (!mine) mine = fact;
}

void TransactionRun::tell_end() {
  if (!transaction_.before_end) return;
  std::vector<std::size_t> undecided;
  for (std::size_t i = 0; i < facts_.size(); ++i)
    if (!facts_[i]) undecided.push_back(i);
  transaction_.before_end(undecided);
}

TransactionResult TransactionRun::finish() {
  TransactionResult result;
  result.tls = session_.tls.has_value();
  result.dsn = session_.offered.dsn;
  for (auto& fact : facts_) {
    RELAY_ASSERT(fact.has_value());
    result.recipients.push_back(std::move(*fact));
  }
  return result;
}

}  // namespace relay::wire
