#include "mta/wire/client_transaction.h"

#include <fmt/format.h>

#include <algorithm>

#include "mta/base/result.h"

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

TransactionRun::TransactionRun(Transaction transaction) : transaction_(std::move(transaction)) {
  RELAY_ASSERT(transaction_.body != nullptr);
  facts_.resize(transaction_.recipients.size());
  for (std::size_t i = 0; i < facts_.size(); ++i) {
    if (!sendable(transaction_.reverse_path))
      facts_[i] = Fact{Stage::mail, not_sendable("5.1.7")};
    else if (!sendable(transaction_.recipients[i]))
      facts_[i] = Fact{Stage::rcpt, not_sendable("5.1.3")};
    else
      asked_.push_back(i);
  }
}

std::optional<Unsupported> TransactionRun::lacks(const Extensions& offered) const {
  if (transaction_.smtputf8 && !offered.smtputf8) return Unsupported{"SMTPUTF8"};
  // RFC 1870: what is known to be too large is not worth sending. 0 is no fixed limit.
  if (offered.size.value_or(0) > 0 && transaction_.body->size() > *offered.size) return Unsupported{"SIZE"};
  return std::nullopt;
}

std::string TransactionRun::mail_command(const Extensions& offered) const {
  std::string command = fmt::format("MAIL FROM:<{}>", transaction_.reverse_path);
  if (offered.size) command += fmt::format(" SIZE={}", transaction_.body->size());
  if (transaction_.eight_bit && offered.eight_bit) command += " BODY=8BITMIME";
  if (transaction_.smtputf8) command += " SMTPUTF8";
  return command + "\r\n";
}

std::string TransactionRun::rcpt_command(std::size_t asked) const {
  return fmt::format("RCPT TO:<{}>\r\n", transaction_.recipients[asked_[asked]]);
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

TransactionResult TransactionRun::finish(bool tls) {
  TransactionResult result;
  result.tls = tls;
  for (auto& fact : facts_) {
    RELAY_ASSERT(fact.has_value());
    result.recipients.push_back(std::move(*fact));
  }
  return result;
}

}  // namespace relay::wire
