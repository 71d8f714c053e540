// The state behind ServerDialog. Included by server_dialog.cc (events), server_input.cc (lines),
// server_content.cc (DATA and BDAT) and server_commands.cc (one handler a command) only.
#pragma once
#include <memory>
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
  enum class State : std::uint8_t {
    command,
    authenticating,  // a 334 is out
    data,            // 354 is out
    chunk,           // within the bytes of a BDAT
    waiting,         // an action is with the owner
    slowed,          // a refusal waits for its time
    tls,             // 220 to STARTTLS is out
    closed,
  };

  // How fast content comes: each byte buys its share of time at the least rate, and no more than a pause may
  // last is ever in store. Time between two chunks is a command's, not the content's.
  struct Pace {
    Instant ends;         // the message as a whole
    Instant grace_ends;   // until then its rate is not asked for
    Instant bought;       // until when it may last without another byte
    Instant paused = {};  // when the last chunk ended

    void resume(Instant now) {
      grace_ends += now - paused;
      bought += now - paused;
    }
  };

  // A message on its way in.
  struct Incoming {
    DataDecoder decoder;
    Pace pace;
  };

  // The chunk of a BDAT that is being read. Refused ones are read too: their size is all that tells where
  // commands go on.
  struct Chunk {
    std::uint64_t size = 0;
    std::uint64_t left = 0;
    bool last = false;
    std::optional<Reply> refusal;
    Pace pace;  // of a refused one
  };

  Impl(std::shared_ptr<const ServerSettings> s, ServerPolicy& p) : settings(std::move(s)), policy(p) {}
  const ServerLimits& limits() const { return settings->limits; }
  const Identity* identity() const { return who ? &*who : nullptr; }

  // server_dialog.cc
  void say(const Reply& reply);  // a refusal only after a pause, if there were many
  void say(int code, const char* enhanced, std::string text) {
    say(Reply{code, enhanced, {std::move(text)}});
  }
  void say_now(const Reply& reply);
  void close_with(int code, const char* enhanced, std::string text);
  void end();
  void rest(Instant now);  // back to `command`, and its deadline
  void await_command(Instant now);
  bool content_pressed() const;
  void wait(Instant now, Instant until) {
    since = now;
    deadline = until;
  }
  void reset_transaction();
  std::uint32_t errors_allowed() const;

  // server_input.cc
  void take_bytes(std::string_view bytes, Instant now);
  void go_on(Instant now);  // with what is buffered
  std::size_t consume(std::string_view bytes, Instant now);
  std::size_t consume_line(std::string_view bytes, Instant now);
  void keep(std::string_view bytes);
  void discard_unwanted();
  std::size_t line_limit(std::string_view line_so_far) const;

  // server_content.cc
  void begin_content(DataDecoder::Framing framing, Instant now);
  Pace begin_pace(Instant ends, Instant now) const;
  void on_content(Pace& pace, std::size_t bytes, Instant now);
  std::size_t consume_data(std::string_view bytes, Instant now);
  std::size_t consume_chunk(std::string_view bytes, Instant now);
  void finish_chunk(Instant now);
  void finish_content(Instant now);
  std::optional<Reply> wrong_with_content() const;
  bool far_too_large(std::uint64_t bytes) const;
  Reply too_large() const;
  static Reply no_room();
  std::optional<Reply> wrong_with_chunk(const Bdat& command) const;

  // server_commands.cc
  void on_command(std::string_view line, Instant now);
  void on_auth_line(std::string_view line, Instant now);
  void on_sasl(SaslStep step, Instant now);
  bool too_much_junk(const Command& command);
  void handle(Ehlo& command);
  void handle(MailFrom& command);
  void handle(RcptTo& command);
  void handle(Auth& command, Instant now);
  void handle(Data, Instant now);
  void handle(Bdat command, Instant now);
  void handle(StartTls, Instant now);
  std::optional<Reply> wrong_with_hold(const Hold& hold) const;
  bool offers_auth() const;
  Reply help() const;

  std::shared_ptr<const ServerSettings> settings;
  ServerPolicy& policy;
  State state = State::command;
  bool skipping = false;  // the rest of a line that was too long
  bool extended = true;   // EHLO, not HELO
  bool in_transaction = false;
  Instant transaction_ends = never;
  bool going_down = false;
  Output out;
  std::string in;   // read and not yet consumed
  Instant clock{};  // of the event that is being handled
  Instant since{};  // the wait for the client began
  Instant deadline = never;
  PeerInfo peer;
  std::optional<TlsInfo> tls;
  std::string helo;  // empty: no EHLO or HELO yet
  std::optional<Identity> who;
  std::optional<SaslExchange> sasl;
  Allowance allowed;  // for the transaction
  Envelope envelope;
  std::optional<Hold> hold;
  std::unique_ptr<Incoming> incoming;  // of this transaction, from DATA or the first BDAT on
  std::unique_ptr<Chunk> chunk;
  std::optional<Reply> slow_reply;
  std::optional<ServerAction> action;
  std::uint32_t errors = 0;
  std::uint32_t junk = 0;
  std::uint32_t messages = 0;  // transactions begun
  std::uint32_t auth_failures = 0;
};

}  // namespace relay::wire
