// The state behind ServerDialog. Included by server_dialog.cc (events and input) and server_commands.cc (one
// handler a command) only.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "mta/wire/command.h"
#include "mta/wire/data_decoder.h"
#include "mta/wire/sasl.h"
#include "mta/wire/server_dialog.h"

namespace relay::wire {

struct ServerDialog::Impl {
  enum class State {
    command,
    authenticating,  // a 334 is out
    data,            // 354 is out
    waiting,         // an action is with the owner
    tls,             // 220 to STARTTLS is out
    closed,
  };

  Impl(ServerSettings s, ServerPolicy& p) : settings(std::move(s)), policy(p) {}

  // server_dialog.cc
  void take_bytes(std::string_view bytes, Instant now);
  std::size_t consume(std::string_view bytes, Instant now);
  std::size_t consume_line(std::string_view bytes, Instant now);
  std::size_t consume_data(std::string_view bytes, Instant now);
  void finish_data(Instant now);
  void go_on(Instant now);  // with what is buffered
  void keep(std::string_view bytes);
  void discard_unwanted();
  void say(const Reply& reply);
  void say(int code, const char* enhanced, std::string text) {
    say(Reply{code, enhanced, {std::move(text)}});
  }
  void close_with(int code, const char* enhanced, std::string text);
  void end();
  void rest(Instant now);  // back to `command`, and its deadline
  void reset_transaction();
  bool offers_auth() const;
  std::size_t line_limit(std::string_view line_so_far) const;

  // server_commands.cc
  void on_command(std::string_view line, Instant now);
  void on_auth_line(std::string_view line, Instant now);
  void on_sasl(SaslStep step, Instant now);
  void handle(Ehlo& command);
  void handle(MailFrom& command);
  void handle(RcptTo& command);
  void handle(Auth& command, Instant now);
  void handle(Data, Instant now);
  void handle(StartTls, Instant now);

  ServerSettings settings;
  ServerPolicy& policy;
  State state = State::command;
  Output out;
  std::string in;         // read and not yet consumed
  bool skipping = false;  // the rest of a line that was too long
  Instant deadline = never;
  PeerInfo peer;
  std::optional<TlsInfo> tls;
  std::string helo;  // empty: no EHLO or HELO yet
  bool extended = true;
  std::optional<Identity> who;
  std::optional<SaslExchange> sasl;
  bool in_transaction = false;
  Envelope envelope;
  std::optional<DataDecoder> decoder;
  std::optional<ServerAction> action;
  std::uint32_t errors = 0;
  std::uint32_t auth_failures = 0;
  bool going_down = false;
};

}  // namespace relay::wire
