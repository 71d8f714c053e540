#include "mta/wire/client_machine.h"

#include <fmt/format.h>

#include <utility>

#include "mta/base/result.h"
#include "mta/wire/client_stages.h"

namespace relay::wire {

ClientMachine::ClientMachine(ClientSettings settings, Instant now)
    : settings_(std::move(settings)), parser_(settings_.reply_bytes, settings_.reply_lines) {
  enter(Stage::connect, now);
}

void ClientMachine::enter(Stage stage, Instant now) {
  state_ = State::waiting;
  stage_ = stage;
  deadline = now + timeout_of(stage, settings_.timeouts);
}

void ClientMachine::become_idle() {
  state_ = State::idle;
  was_ready_ = true;
  deadline = never;
}

// ---- events ----

void ClientMachine::on_open(const TlsInfo* implicit, Instant now) {
  if (state_ == State::closed) return;
  if (implicit != nullptr) tls = *implicit;
  enter(Stage::greeting, now);
}

void ClientMachine::on_tls(const TlsInfo& established, Instant now) {
  if (state_ != State::waiting || stage_ != Stage::handshake) return;
  tls = established;
  want = Want::bytes;
  // RFC 3207 4.2: what was learnt before is forgotten, and asked again.
  offered_ = {};
  parser_.reset();
  output.append(fmt::format("EHLO {}\r\n", settings_.ehlo_name));
  enter(Stage::ehlo, now);
}

void ClientMachine::on_bytes(std::string_view bytes, Instant now) {
  while (!bytes.empty() && state_ != State::closed) {
    // Nothing is owed now: a 421 on its way out, or a host that counts replies differently.
    if (state_ == State::idle)
      return end(Closed{Closed::Why::reset, "the host spoke unasked"}, Manner::at_once);
    // RFC 3207 4.2, and against injection: what came in clear after the 220 must not be taken for what comes
    // under TLS.
    if (stage_ == Stage::handshake || stage_ == Stage::connect) return;
    switch (parser_.feed(bytes)) {
      case ReplyParser::Status::more: return;
      case ReplyParser::Status::reply: on_reply(parser_.take(), now); break;
      case ReplyParser::Status::error: return out_of_step(parser_.error());
    }
  }
}

void ClientMachine::on_timeout(Instant now) {
  if (state_ != State::waiting || now < deadline) return;
  end(TimedOut{}, Manner::at_once);
}

void ClientMachine::on_closed(const Closed& why) {
  if (state_ != State::closed) end(why, Manner::at_once);
}

void ClientMachine::on_sent(Instant now) {
  if (state_ != State::waiting) return;
  if (stage_ == Stage::content) send_content(now);
  // RFC 5321 4.5.3.2.6: the wait begins when the final dot has left.
  else if (stage_ == Stage::final_dot && output.empty())
    enter(Stage::final_dot, now);
}

void ClientMachine::start(Transaction transaction, Instant now) {
  RELAY_ASSERT(ready() && !result);
  run_.emplace(std::move(transaction));
  if (const auto lack = run_->lacks(offered_))
    run_->decide_rest(Fact{Stage::mail, *lack});
  else if (run_->recipients_to_ask() > 0) {
    output.append(run_->mail_command(offered_));
    if (offered_.pipelining) {
      for (std::size_t i = 0; i < run_->recipients_to_ask(); ++i) output.append(run_->rcpt_command(i));
      output.append("DATA\r\n");
    }
    return enter(Stage::mail, now);
  }
  finish_transaction(false, now);
}

void ClientMachine::quit(Instant now) {
  RELAY_ASSERT(!run_);
  if (finished()) return;
  if (!ready()) return end(Closed{Closed::Why::end_of_file, "the session was given up"}, Manner::at_once);
  output.append("QUIT\r\n");
  enter(Stage::quit, now);
}

// ---- replies ----

void ClientMachine::on_reply(const Reply& reply, Instant now) {
  if (stage_ == Stage::quit) return end(reply, Manner::at_once);
  // RFC 5321 3.8: 421 is legal at any stage and means that the host closes.
  if (reply.code == 421) return end(reply, Manner::at_once);
  const bool intermediate = reply.code / 100 == 3;
  const bool wrong = stage_ == Stage::data      ? reply.positive() && !intermediate
                     : stage_ == Stage::content ? reply.positive()
                                                : intermediate;
  if (wrong) return out_of_step(fmt::format("an unexpected reply {}", reply.text()));
  switch (stage_) {
    case Stage::greeting: return on_greeting(reply, now);
    case Stage::ehlo: return on_ehlo(reply, now);
    case Stage::helo: return on_helo(reply, now);
    case Stage::starttls: return on_starttls(reply, now);
    case Stage::mail: return on_mail(reply, now);
    case Stage::rcpt: return on_rcpt(reply, now);
    case Stage::data: return on_data(reply, now);
    // Refused before it was whole: closing now is what makes the host discard it (RFC 5321 4.1.1.4).
    case Stage::content: return end(reply, Manner::at_once);
    case Stage::final_dot: return on_final(reply, now);
    case Stage::rset: return on_rset(reply);
    case Stage::connect:
    case Stage::handshake:
    case Stage::quit: break;
  }
  RELAY_ASSERT(false && "a stage in which replies are read");
}

void ClientMachine::on_greeting(const Reply& reply, Instant now) {
  if (!reply.positive()) return end(reply, Manner::with_quit);  // RFC 5321 3.1
  output.append(fmt::format("EHLO {}\r\n", settings_.ehlo_name));
  enter(Stage::ehlo, now);
}

void ClientMachine::on_ehlo(const Reply& reply, Instant now) {
  if (reply.permanent()) {  // RFC 5321 3.2: a host older than extensions
    output.append(fmt::format("HELO {}\r\n", settings_.ehlo_name));
    return enter(Stage::helo, now);
  }
  if (!reply.positive()) return end(reply, Manner::with_quit);
  offered_ = parse_extensions(reply);
  on_hello_done(now);
}

void ClientMachine::on_helo(const Reply& reply, Instant now) {
  if (!reply.positive()) return end(reply, Manner::with_quit);
  offered_ = {};
  on_hello_done(now);
}

void ClientMachine::on_hello_done(Instant now) {
  using enum ClientSettings::Tls;
  if (tls || settings_.tls == none) return become_idle();
  if (!offered_.starttls) {
    if (settings_.tls == required) return end(Unsupported{"STARTTLS"}, Manner::with_quit);
    return become_idle();
  }
  output.append("STARTTLS\r\n");
  enter(Stage::starttls, now);
}

void ClientMachine::on_starttls(const Reply& reply, Instant now) {
  if (reply.positive()) {
    want = Want::tls_handshake;
    return enter(Stage::handshake, now);
  }
  if (settings_.tls == ClientSettings::Tls::required) return end(reply, Manner::with_quit);
  become_idle();  // RFC 3207 4: the client may go on without
}

void ClientMachine::on_mail(const Reply& reply, Instant now) {
  run_->on_mail(reply);
  if (!offered_.pipelining) {
    if (!reply.positive()) return finish_transaction(false, now);
    output.append(run_->rcpt_command(0));
  }
  enter(Stage::rcpt, now);
}

void ClientMachine::on_rcpt(const Reply& reply, Instant now) {
  run_->on_rcpt(reply);
  if (!run_->all_answered()) {
    if (!offered_.pipelining) output.append(run_->rcpt_command(run_->answered()));
    return enter(Stage::rcpt, now);
  }
  if (!offered_.pipelining) {
    if (!run_->any_accepted()) return finish_transaction(run_->open_at_host(), now);
    output.append("DATA\r\n");
  }
  enter(Stage::data, now);
}

void ClientMachine::on_data(const Reply& reply, Instant now) {
  if (!reply.positive()) {
    run_->decide_rest(Fact{Stage::data, reply});
    return finish_transaction(run_->open_at_host(), now);
  }
  if (!run_->any_accepted()) {
    // RFC 2920 3.1: 354 although every recipient was refused: a message of nothing, and its reply is ignored.
    output.append(".\r\n");
    return enter(Stage::final_dot, now);
  }
  content_.emplace(run_->body());
  send_content(now);
}

void ClientMachine::send_content(Instant now) {
  // A block that has not been fetched yet is enough.
  if (output.bytes() >= settings_.content_block_bytes) return;
  const bool whole = content_->emit(output, settings_.content_block_bytes);
  if (whole) run_->tell_end();  // nobody has taken the output yet
  enter(whole ? Stage::final_dot : Stage::content, now);
}

void ClientMachine::on_final(const Reply& reply, Instant now) {
  run_->decide_rest(Fact{Stage::final_dot, reply});
  finish_transaction(false, now);
}

void ClientMachine::on_rset(const Reply& reply) {
  if (!reply.positive()) return end(reply, Manner::with_quit);
  become_idle();
}

// ---- ends ----

void ClientMachine::finish_transaction(bool reset, Instant now) {
  result = run_->finish(tls.has_value());
  run_.reset();
  content_.reset();
  if (!reset) return become_idle();
  output.append("RSET\r\n");
  enter(Stage::rset, now);
}

void ClientMachine::out_of_step(const std::string& what) {
  end(Closed{Closed::Why::reset, fmt::format("the host sent {}", what)}, Manner::at_once);
}

void ClientMachine::end(const Answer& answer, Manner manner) {
  // While the final dot still lies here the host cannot have the message: nothing is in doubt.
  const bool unsent = stage_ == Stage::final_dot && !output.empty();
  const Fact fact{unsent ? Stage::content : stage_, answer};
  if (run_) {
    run_->decide_rest(fact);
    result = run_->finish(tls.has_value());
    run_.reset();
    content_.reset();
  } else if (!was_ready_ && !failure) {
    failure = fact;
  }
  output.take();  // content of a message that is given up, or nothing
  if (manner == Manner::with_quit) output.append("QUIT\r\n");
  state_ = State::closed;
  want = Want::close;
  deadline = never;
}

}  // namespace relay::wire
