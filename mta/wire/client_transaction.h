// TransactionRun: the book-keeping of one MAIL transaction: its commands, and a fact for every recipient.
//
// Pure. A recipient's first fact stands. Recipients are asked for in order; on_rcpt() takes the replies in
// that order. One whose address could break out of its command is refused here and never asked for.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "mta/wire/client_dialog.h"
#include "mta/wire/client_extensions.h"

namespace relay::wire {

class TransactionRun {
 public:
  // What the session is like for it.
  struct Session {
    Extensions offered;
    std::optional<TlsInfo> tls;
  };
  TransactionRun(Transaction transaction, const Session& session);

  // What the host lacks and the message cannot do without. 8BITMIME is not among it: a host without it is
  // sent eight bits all the same, as MTAs do, since hosts that damage them are gone and re-encoding would
  // break signatures.
  std::optional<Unsupported> lacks() const;

  std::string mail_command() const;                   // with CRLF, as the others
  std::string rcpt_command(std::size_t asked) const;  // asked < recipients_to_ask()
  std::size_t recipients_to_ask() const { return asked_.size(); }

  void on_mail(const Reply& reply);
  void on_rcpt(const Reply& reply);  // of the next one
  std::size_t answered() const { return answered_; }
  bool all_answered() const { return answered_ == asked_.size(); }
  bool any_accepted() const { return accepted_ > 0; }
  // The host knows of a transaction: RSET is needed before the next if no end of data closes this one.
  bool open_at_host() const { return open_; }

  void decide_rest(const Fact& fact);  // every recipient without a fact
  void tell_end();                     // Transaction::before_end
  BodyPtr body() const { return transaction_.body; }
  TransactionResult finish();  // every recipient must have its fact

 private:
  bool needs_smtputf8() const;

  Transaction transaction_;
  const Session& session_;
  std::vector<std::optional<Fact>> facts_;
  std::vector<std::size_t> asked_;  // indices of recipients
  std::size_t answered_ = 0;
  std::size_t accepted_ = 0;
  bool open_ = false;
  bool smtputf8_ = false;  // needed
};

}  // namespace relay::wire
