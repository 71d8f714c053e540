// What each command does, in each state (RFC 5321 4.1.1, 4.1.4; RFC 3207; RFC 4954; RFC 6409).
#include <utility>
#include <variant>

#include "mta/base/result.h"
#include "mta/wire/server_impl.h"

namespace relay::wire {
namespace {

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};

}  // namespace

void ServerDialog::Impl::on_command(std::string_view line, Instant now) {
  Command command = parse_command(line, {.extended = extended, .smtputf8 = envelope.smtputf8});
  deadline = now + settings.limits.command_timeout;
  std::visit(
      Overloaded{
          [&](Ehlo& c) { handle(c); },
          [&](MailFrom& c) { handle(c); },
          [&](RcptTo& c) { handle(c); },
          [&](Auth& c) { handle(c, now); },
          [&](Data c) { handle(c, now); },
          [&](StartTls c) { handle(c, now); },
          [&](Rset) {
            reset_transaction();
            say(250, "2.0.0", "Ok");
          },
          [&](Noop) { say(250, "2.0.0", "Ok"); },
          [&](Quit) { close_with(221, "2.0.0", settings.host_name + " closing connection"); },
          [&](Vrfy) { say(252, "2.0.0", "Send some mail, and we will try to deliver it"); },
          [&](Expn) { say(502, "5.5.1", "EXPN is not offered"); },
          [&](Help) {
            say(Reply{214,
                      "2.0.0",
                      {"EHLO STARTTLS AUTH MAIL RCPT DATA RSET NOOP QUIT VRFY HELP",
                       "The user name is the id of an API key or its account, the password is the key"}});
          },
          [&](Fault& c) { say(c.reply); },
      },
      command);
}

void ServerDialog::Impl::handle(Ehlo& command) {
  reset_transaction();  // RFC 5321 4.1.4
  helo = std::move(command.name);
  extended = command.extended;
  if (!extended) {
    say(250, "", settings.host_name);
    return;
  }
  Reply reply{
      250, "", {settings.host_name, "PIPELINING", "SIZE " + std::to_string(settings.limits.message_bytes)}};
  if (settings.offer_starttls && !tls) reply.lines.emplace_back("STARTTLS");
  if (offers_auth() && !who) reply.lines.emplace_back("AUTH PLAIN LOGIN");
  for (const char* extension : {"ENHANCEDSTATUSCODES", "8BITMIME", "SMTPUTF8"})
    reply.lines.emplace_back(extension);
  say(reply);
}

void ServerDialog::Impl::handle(MailFrom& command) {
  if (helo.empty()) return say(503, "5.5.1", "EHLO first");
  if (in_transaction) return say(503, "5.5.1", "Sender already given");
  if (settings.require_auth && !who) {
    if (settings.require_tls && !tls && settings.offer_starttls) {
      return say(530, "5.7.0", "STARTTLS and authentication required");
    }
    return say(530, "5.7.0", "Authentication required");
  }
  if (command.size.value_or(0) > settings.limits.message_bytes) {
    return say(552, "5.3.4",
               "Message is larger than " + std::to_string(settings.limits.message_bytes) + " bytes");
  }
  if (auto refusal = policy.on_mail(who ? &*who : nullptr, command)) return say(*refusal);
  in_transaction = true;
  envelope.reverse_path = std::move(command.reverse_path);
  envelope.smtputf8 = command.smtputf8;
  envelope.eight_bit = command.eight_bit;
  say(250, "2.1.0", "Sender ok");
}

void ServerDialog::Impl::handle(RcptTo& command) {
  if (!in_transaction) return say(503, "5.5.1", "MAIL first");
  if (envelope.recipients.size() >= settings.limits.recipients) {
    return say(452, "4.5.3", "Too many recipients");  // RFC 5321 4.5.3.1.10
  }
  // RFC 5321 4.5.1: postmaster without a domain is this host's
  if (command.address.find('@') == std::string::npos) command.address += '@' + settings.host_name;
  if (auto refusal = policy.on_rcpt(who ? &*who : nullptr, envelope, command.address)) return say(*refusal);
  envelope.recipients.push_back({std::move(command.address)});
  say(250, "2.1.5", "Recipient ok");
}

void ServerDialog::Impl::handle(Data, Instant now) {
  if (!in_transaction) return say(503, "5.5.1", "MAIL first");
  if (envelope.recipients.empty()) return say(554, "5.5.1", "No valid recipients");
  decoder.emplace(settings.limits.message_bytes);
  say(354, "", "End data with <CR><LF>.<CR><LF>");
  state = State::data;
  deadline = now + settings.limits.data_timeout;
}

void ServerDialog::Impl::handle(StartTls, Instant now) {
  if (tls) return say(503, "5.5.1", "TLS is on already");
  if (!settings.offer_starttls) return say(502, "5.5.1", "STARTTLS is not offered");
  say(220, "2.0.0", "Ready to start TLS");
  state = State::tls;
  deadline = now + settings.limits.command_timeout;
}

void ServerDialog::Impl::handle(Auth& command, Instant now) {
  auto refuse = [&](int code, const char* enhanced, const char* text) {
    if (command.initial) wipe(*command.initial);
    say(code, enhanced, text);
  };
  if (!settings.require_auth) return refuse(502, "5.5.1", "AUTH is not offered");
  if (!offers_auth()) return refuse(538, "5.7.11", "Encryption required for authentication");
  if (helo.empty() || !extended) return refuse(503, "5.5.1", "EHLO first");
  if (who) return refuse(503, "5.5.1", "Already authenticated");
  if (in_transaction) return refuse(503, "5.5.1", "Not within a mail transaction");
  if (!SaslExchange::known(command.mechanism)) return refuse(504, "5.5.4", "Mechanism not offered");
  sasl.emplace(std::move(command.mechanism));
  SaslStep step = sasl->start(command.initial);
  if (command.initial) wipe(*command.initial);
  on_sasl(std::move(step), now);
}

void ServerDialog::Impl::on_auth_line(std::string_view line, Instant now) {
  if (line == "*") {  // RFC 4954 4
    sasl.reset();
    say(501, "5.7.0", "Authentication cancelled");
    rest(now);
    return;
  }
  on_sasl(sasl->respond(line), now);
}

void ServerDialog::Impl::on_sasl(SaslStep step, Instant now) {
  if (auto* challenge = std::get_if<Challenge>(&step)) {
    say(334, "", challenge->text);
    state = State::authenticating;
    deadline = now + settings.limits.command_timeout;
  } else if (auto* credentials = std::get_if<Credentials>(&step)) {
    action = AuthRequest{sasl->mechanism(), std::move(credentials->user), std::move(credentials->password)};
    sasl.reset();
    state = State::waiting;
    deadline = never;
  } else {
    sasl.reset();
    say(501, "5.5.2", "Cannot decode that response");
    rest(now);
  }
}

}  // namespace relay::wire
