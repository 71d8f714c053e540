// ClientMachine: what is inside ClientDialog; see client_dialog.h. One handler a stage: those of the session
// stand in client_machine.cc, those of a transaction in client_transfer.cc.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "mta/wire/client_auth.h"
#include "mta/wire/client_dialog.h"
#include "mta/wire/client_extensions.h"
#include "mta/wire/client_transaction.h"
#include "mta/wire/dot_stuff.h"
#include "mta/wire/reply_parser.h"

namespace relay::wire {

class ClientMachine {
 public:
  ClientMachine(ClientSettings settings, Instant now);

  void on_open(const TlsInfo* tls, Instant now);
  void on_tls(const TlsInfo& tls, Instant now);
  void on_bytes(std::string_view bytes, Instant now);
  void on_timeout(Instant now);
  void on_closed(const Closed& why);
  void on_sent(Instant now);
  void start(Transaction transaction, Instant now);
  void quit(Instant now);

  bool ready() const { return state_ == State::idle; }
  bool finished() const {
    return state_ == State::closed || (state_ == State::waiting && stage_ == Stage::quit);
  }

  const std::optional<TlsInfo>& tls() const { return session_.tls; }
  const TlsPolicy& tls_policy() const { return settings_.tls; }

  Output output;
  Want want = Want::bytes;
  Instant deadline = never;
  std::optional<Fact> failure;
  std::optional<TransactionResult> result;

 private:
  enum class State { waiting, idle, closed };  // waiting for what stage_ waits for

  void enter(Stage stage, Instant now);
  void become_idle();
  void on_reply(const Reply& reply, Instant now);
  void on_greeting(const Reply& reply, Instant now);
  void on_ehlo(const Reply& reply, Instant now);
  void on_helo(const Reply& reply, Instant now);
  void say_hello(Instant now);
  void on_hello_done(Instant now);
  void on_starttls(const Reply& reply, Instant now);
  void authenticate(Instant now);
  void on_auth(const Reply& reply, Instant now);
  void on_mail(const Reply& reply, Instant now);
  void on_rcpt(const Reply& reply, Instant now);
  void on_data(const Reply& reply, Instant now);
  void on_chunk(const Reply& reply, Instant now);
  void on_final(const Reply& reply, Instant now);
  void on_rset(const Reply& reply);
  bool by_chunks() const;
  void begin_content(Instant now);
  void send_content(Instant now);
  void finish_transaction(bool reset, Instant now);
  void out_of_step(const std::string& what);
  enum class Manner { at_once, with_quit };
  void end(const Answer& answer, Manner manner);

  ClientSettings settings_;
  State state_ = State::waiting;
  Stage stage_ = Stage::connect;
  bool was_ready_ = false;
  ReplyParser parser_;
  TransactionRun::Session session_;
  std::optional<SaslClient> sasl_;
  std::optional<TransactionRun> run_;
  std::optional<DotStuffer> content_;
  std::size_t chunks_owed_ = 0;  // sent, and not answered
};

}  // namespace relay::wire
