// What each command does, in each state (RFC 5321 4.1.1, 4.1.4; RFC 3207; RFC 4954; RFC 6409).
#include <fmt/format.h>

#include <utility>
#include <variant>

#include "mta/base/result.h"
#include "mta/wire/server_impl.h"

namespace relay::wire {

using State = ServerDialog::Impl::State;

namespace {

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};

// The secret in a command that nobody looks at.
void forget(Command& command) {
  if (auto* auth = std::get_if<Auth>(&command); auth != nullptr && auth->initial) wipe(*auth->initial);
}

}  // namespace

void ServerDialog::Impl::on_command(std::string_view line, Instant now) {
  Command command = parse_command(line, {.extended = extended, .smtputf8 = envelope.smtputf8});
  rest(now);
  if (state == State::closed || too_much_junk(command)) return forget(command);
  std::visit(Overloaded{
                 [&](Ehlo& c) { handle(c); },
                 [&](MailFrom& c) { handle(c); },
                 [&](RcptTo& c) { handle(c); },
                 [&](Auth& c) { handle(c, now); },
                 [&](Data c) { handle(c, now); },
                 [&](Bdat c) { handle(c, now); },
                 [&](StartTls c) { handle(c, now); },
                 [&](Rset) {
                   reset_transaction();
                   say(250, "2.0.0", "Ok");
                 },
                 [&](Noop) { say(250, "2.0.0", "Ok"); },
                 [&](Quit) { close_with(221, "2.0.0", settings->host_name + " closing connection"); },
                 [&](Vrfy) { say(252, "2.0.0", "Send some mail, and we will try to deliver it"); },
                 [&](Expn) { say(502, "5.5.1", "EXPN is not offered"); },
                 [&](Help) { say(help()); },
                 [&](Foreign) { close_with(554, "5.5.1", "This is SMTP, closing"); },
                 [&](Fault& c) { say(c.reply); },
             },
             command);
  if (state == State::command) await_command(now);  // it may have begun or ended a transaction
}

// Commands that do nothing for a message, and those that begin one: one each is what a message takes, and a
// session in which none comes through has an end, whether its refusals are for good or for now. Beyond their
// number each counts as an error, and says so.
bool ServerDialog::Impl::too_much_junk(const Command& command) {
  const bool is_junk = std::holds_alternative<Noop>(command) || std::holds_alternative<Rset>(command) ||
                       std::holds_alternative<Vrfy>(command) || std::holds_alternative<Expn>(command) ||
                       std::holds_alternative<Help>(command) || std::holds_alternative<Ehlo>(command) ||
                       std::holds_alternative<MailFrom>(command) || std::holds_alternative<Auth>(command);
  if (!is_junk || ++junk <= limits().junk_commands) return false;
  // What a client would take for a refusal of its message or its password is none.
  if (std::holds_alternative<MailFrom>(command) || std::holds_alternative<Auth>(command)) {
    close_with(421, "4.7.0", settings->host_name + " Too many commands without a message accepted, closing");
    return true;
  }
  if (std::holds_alternative<Rset>(command) || std::holds_alternative<Ehlo>(command)) reset_transaction();
  say(550, "5.7.0", "Too many commands without a message");
  return true;
}

void ServerDialog::Impl::handle(Ehlo& command) {
  reset_transaction();  // RFC 5321 4.1.4
  helo = std::move(command.name);
  extended = command.extended;
  if (!extended) return say(250, "", settings->host_name);
  const Allowance allowance = policy.allowance(identity(), limits());
  Reply reply{250, "", {settings->host_name, "PIPELINING"}};
  auto& lines = reply.lines;
  lines.push_back(fmt::format("SIZE {}", allowance.message_bytes));
  lines.push_back(fmt::format("LIMITS MAILMAX={} RCPTMAX={}", limits().messages, allowance.recipients));
  if (settings->offer_starttls && !tls) lines.emplace_back("STARTTLS");
  if (offers_auth() && !who) lines.emplace_back("AUTH PLAIN LOGIN");
  if (allowance.release) {
    lines.push_back(fmt::format("FUTURERELEASE {} {}", allowance.release->longest.count(),
                                format_rfc3339(allowance.release->latest)));
  }
  if (settings->offer_dsn) lines.emplace_back("DSN");
  for (const char* extension : {"ENHANCEDSTATUSCODES", "8BITMIME", "SMTPUTF8", "CHUNKING", "HELP"})
    lines.emplace_back(extension);
  say(reply);
}

Reply ServerDialog::Impl::help() const {
  Reply reply{214, "2.0.0", {}};
  auto& lines = reply.lines;
  lines.emplace_back("Commands: EHLO HELO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY HELP");
  if (settings->require_auth) {
    if (settings->require_tls && !tls)
      lines.emplace_back("Begin with EHLO, STARTTLS and EHLO again: passwords are taken under TLS only");
    lines.emplace_back("AUTH: the user name is the id of an API key or its account, the password is the key");
  }
  const Allowance allowance = policy.allowance(identity(), limits());
  lines.push_back(fmt::format("A message has at most {} bytes and {} recipients", allowance.message_bytes,
                              allowance.recipients));
  lines.emplace_back(
      "Keep what the reply to a message says after \"queued as\": by this id it can be looked up");
  return reply;
}

std::optional<Reply> ServerDialog::Impl::wrong_with_hold(const Hold& wanted) const {
  if (!allowed.release) return Reply{555, "5.5.4", {"HOLDFOR and HOLDUNTIL are not offered here"}};
  const auto* period = std::get_if<Duration>(&wanted);
  const auto* moment = std::get_if<WallTime>(&wanted);
  if (period != nullptr && *period > allowed.release->longest)
    return Reply{501, "5.5.4", {fmt::format("HOLDFOR is at most {}", allowed.release->longest.count())}};
  if (moment != nullptr && *moment > allowed.release->latest)
    return Reply{501, "5.5.4", {"HOLDUNTIL is at most " + format_rfc3339(allowed.release->latest)}};
  return std::nullopt;
}

void ServerDialog::Impl::handle(MailFrom& command) {
  if (helo.empty()) return say(503, "5.5.1", "EHLO first");
  if (in_transaction) return say(503, "5.5.1", "Sender already given");
  if (settings->require_auth && !who) {
    if (settings->require_tls && !tls && settings->offer_starttls) {
      return say(530, "5.7.0", "STARTTLS and authentication required");
    }
    return say(530, "5.7.0", "Authentication required");
  }
  if (messages >= limits().messages)  // RFC 9422: MAILMAX was announced
    return close_with(421, "4.7.0",
                      settings->host_name + " Enough messages for one connection, open another");
  allowed = policy.allowance(identity(), limits());
  if (command.size.value_or(0) > allowed.message_bytes) return say(too_large());
  if (!settings->offer_dsn && (command.ret != DsnReturn::unsaid || !command.id.empty()))
    return say(555, "5.5.4", "RET and ENVID are not offered here");
  if (command.hold) {
    if (const auto wrong = wrong_with_hold(*command.hold)) return say(*wrong);
  }
  if (auto refusal = policy.on_mail(identity(), command)) return say(*refusal);
  const ByteBudget* budget = policy.content();
  if (budget != nullptr && !budget->has_room(command.size.value_or(0))) return say(no_room());
  ++messages;
  in_transaction = true;
  transaction_ends = clock + limits().message_timeout;
  envelope.reverse_path = std::move(command.reverse_path);
  envelope.smtputf8 = command.smtputf8;
  envelope.eight_bit = command.eight_bit;
  envelope.ret = command.ret;
  envelope.id = std::move(command.id);
  hold = command.hold;
  say(250, "2.1.0", "Sender ok");
}

void ServerDialog::Impl::handle(RcptTo& command) {
  if (!in_transaction) return say(503, "5.5.1", "MAIL first");
  if (incoming) return say(503, "5.5.1", "The message has begun");
  if (!settings->offer_dsn && (command.notify != 0 || !command.original.empty()))
    return say(555, "5.5.4", "NOTIFY and ORCPT are not offered here");
  if (envelope.recipients.size() >= allowed.recipients) {
    return say(452, "4.5.3", "Too many recipients");  // RFC 5321 4.5.3.1.10
  }
  // RFC 5321 4.5.1: postmaster without a domain is this host's
  if (command.address.find('@') == std::string::npos) command.address += '@' + settings->host_name;
  if (auto refusal = policy.on_rcpt(identity(), envelope, command.address)) return say(*refusal);
  envelope.recipients.push_back({std::move(command.address), command.notify, std::move(command.original)});
  say(250, "2.1.5", "Recipient ok");
}

bool ServerDialog::Impl::offers_auth() const {
  return settings->require_auth && (tls || !settings->require_tls);
}

void ServerDialog::Impl::handle(StartTls, Instant now) {
  if (tls) return say(503, "5.5.1", "TLS is on already");
  if (!settings->offer_starttls) return say(502, "5.5.1", "STARTTLS is not offered");
  say(220, "2.0.0", "Ready to start TLS");
  state = State::tls;
  wait(now, now + limits().command_timeout);
}

void ServerDialog::Impl::handle(Auth& command, Instant now) {
  auto refuse = [&](int code, const char* enhanced, const char* text) {
    if (command.initial) wipe(*command.initial);
    say(code, enhanced, text);
  };
  if (!settings->require_auth) return refuse(502, "5.5.1", "AUTH is not offered");
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
    wait(now, now + limits().command_timeout);
  } else if (auto* credentials = std::get_if<Credentials>(&step)) {
    action = AuthRequest{sasl->mechanism(), std::move(credentials->user), std::move(credentials->password)};
    sasl.reset();
    state = State::waiting;
    wait(now, never);
  } else {
    sasl.reset();
    say(501, "5.5.2", "Cannot decode that response");
    rest(now);
  }
}

}  // namespace relay::wire
