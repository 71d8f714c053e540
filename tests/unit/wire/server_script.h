// A server's dialogue written as people write it: "C: " lines are sent, "S: " lines must come back.
//
// "C= " sends a line without CRLF, with the escapes \r \n \0 \\ and \xHH; "T: " completes the TLS handshake
// asked for; "W: " lets time pass until the server's deadline; "X: " expects that the server closes.
// Consecutive C lines arrive as one read. The whole is then played again with all the client's bytes in one
// read, with that cut in two at every byte, and byte by byte: what the server says and takes must be the
// same.
//
// tests/scenario has such dialogues as files. There "# " begins a comment, "= " a setting ("= sink",
// "= implicit_tls", "= strict", "= message_bytes 1000"), and "M: " is a message that must have been taken, as
// describe() has it, with the escapes.
#pragma once
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "mta/wire/server_dialog.h"

namespace relay::wire {

// What the tests' owner of a ServerDialog does: answers at once, keeps what it got.
class ScriptedServer final : public ServerPolicy {
 public:
  explicit ScriptedServer(ServerSettings settings, bool implicit_tls = false);

  void feed(std::string_view bytes);  // as a driver would: not after close, nor in a handshake
  void handshake();
  void pump();  // answers what is asked, gathers output

  bool pressed() const override { return under_pressure; }
  ByteBudget* content() const override { return memory; }
  Allowance allowance(const Identity* who, const ServerLimits& limits) override;
  std::optional<Reply> on_mail(const Identity* who, const MailFrom& mail) override;
  std::optional<Reply> on_rcpt(const Identity* who, const Envelope& so_far,
                               const std::string& address) override;

  ServerDialog dialog;
  Instant now{};
  std::string said;
  std::vector<SubmitRequest> taken;
  std::vector<std::string> authentications;  // "PLAIN user password"
  bool answering = true;                     // false: the actions pile up in `asked`
  bool patient = true;                       // the clock moves on over pauses before a refusal
  bool under_pressure = false;
  ByteBudget* memory = nullptr;
  std::optional<ServerAction> asked;
};

// user "app", password "secret" is right, and may use FUTURERELEASE for an hour (the moment is 2026-11-21
// 10:00 UTC); "busy" is a temporary failure. RCPT to *@refused.example is
// refused, MAIL from refused@* too. Content "reject me" is refused after DATA.
ServerSettings submission_settings();
ServerSettings sink_settings();

struct Outcome {
  std::string said;
  std::vector<std::string> taken;  // each message as text: envelope and content
  Want wants = Want::bytes;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

// Plays the script every way; returns what happened.
Outcome play(const ServerSettings& settings, const std::string& script, bool implicit_tls = false);

// Plays a file of tests/scenario.
void play_file(const std::string& path);

std::string describe(const SubmitRequest& message);

}  // namespace relay::wire
