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
  if (implicit != nullptr) session_.tls = *implicit;
  enter(Stage::greeting, now);
  if (settings_.tls.implicit && implicit == nullptr)
    end(Closed{Closed::Why::tls_failed, "TLS was to be there from the first byte"}, Manner::at_once);
}

void ClientMachine::on_tls(const TlsInfo& established, Instant now) {
  if (state_ != State::waiting || stage_ != Stage::handshake) return;
  session_.tls = established;
  want = Want::bytes;
  // RFC 3207 4.2: what was learnt before is forgotten, and asked again.
  session_.offered = {};
  parser_.reset();
  say_hello(now);
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
      case ReplyParser::Status::reply:
        on_reply(sasl_ ? sasl_->hide(parser_.take()) : parser_.take(), now);
        break;
      case ReplyParser::Status::error:
        // The parser's words repeat the line, in which there might be what was just sent.
        return out_of_step(stage_ == Stage::auth ? "what is no SMTP reply" : parser_.error());
    }
  }
}

void ClientMachine::on_timeout(Instant now) {
  if (state_ != State::waiting || now < deadline) return;
  end(TimedOut{}, Manner::at_once);
}

void ClientMachine::on_closed(const Closed& why) {
  if (state_ == State::closed) return;
  if (stage_ == Stage::connect && why.why == Closed::Why::tls_failed) stage_ = Stage::handshake;  // implicit
  end(why, Manner::at_once);
}

void ClientMachine::on_sent(Instant now) {
  if (state_ != State::waiting) return;
  if (stage_ == Stage::content) send_content(now);
  // RFC 5321 4.5.3.2.6: the wait begins when the final dot has left.
  else if (stage_ == Stage::final_dot && output.empty())
    enter(Stage::final_dot, now);
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
  if (chunks_owed_ > 0 && (stage_ == Stage::content || chunks_owed_ > 1)) return on_chunk(reply, now);
  const bool intermediate = reply.code / 100 == 3;
  const bool wrong = stage_ == Stage::data      ? reply.positive() && !intermediate
                     : stage_ == Stage::content ? reply.positive()
                     : stage_ == Stage::auth    ? intermediate && reply.code != 334
                                                : intermediate;
  if (wrong) return out_of_step(fmt::format("an unexpected reply {}", reply.text()));
  switch (stage_) {
    case Stage::greeting: return on_greeting(reply, now);
    case Stage::ehlo: return on_ehlo(reply, now);
    case Stage::helo: return on_helo(reply, now);
    case Stage::starttls: return on_starttls(reply, now);
    case Stage::auth: return on_auth(reply, now);
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
  say_hello(now);
}

void ClientMachine::say_hello(Instant now) {
  const Stage stage = settings_.helo_only ? Stage::helo : Stage::ehlo;
  output.append(fmt::format("{} {}\r\n", stage == Stage::helo ? "HELO" : "EHLO", settings_.ehlo_name));
  enter(stage, now);
}

void ClientMachine::on_ehlo(const Reply& reply, Instant now) {
  if (reply.permanent()) {  // RFC 5321 3.2: a host older than extensions
    output.append(fmt::format("HELO {}\r\n", settings_.ehlo_name));
    return enter(Stage::helo, now);
  }
  if (!reply.positive()) return end(reply, Manner::with_quit);
  session_.offered = parse_extensions(reply);
  on_hello_done(now);
}

void ClientMachine::on_helo(const Reply& reply, Instant now) {
  if (!reply.positive()) return end(reply, Manner::with_quit);
  session_.offered = {};
  on_hello_done(now);
}

void ClientMachine::on_hello_done(Instant now) {
  if (session_.tls || settings_.tls.level == TlsLevel::none) return authenticate(now);
  if (!session_.offered.starttls) {
    if (settings_.tls.demands_tls()) return end(Unsupported{"STARTTLS"}, Manner::with_quit);
    return authenticate(now);
  }
  output.append("STARTTLS\r\n");
  enter(Stage::starttls, now);
}

void ClientMachine::on_starttls(const Reply& reply, Instant now) {
  if (reply.positive()) {
    want = Want::tls_handshake;
    return enter(Stage::handshake, now);
  }
  if (settings_.tls.demands_tls()) return end(Unsupported{"STARTTLS", reply.text()}, Manner::with_quit);
  authenticate(now);  // RFC 3207 4: the client may go on without
}

// After it nothing is asked again: neither mechanism brings a layer of its own (RFC 4954 4).
void ClientMachine::authenticate(Instant now) {
  if (!settings_.auth) return become_idle();
  if (!session_.tls && !settings_.auth->in_clear)
    return end(Unsupported{"AUTH", "the session is not under TLS"}, Manner::with_quit);
  const auto mechanism = SaslClient::choose(*settings_.auth, session_.offered);
  if (!mechanism) return end(Unsupported{"AUTH", "no mechanism for it in common"}, Manner::with_quit);
  sasl_.emplace(settings_.auth, *mechanism);
  output.append(sasl_->command());
  enter(Stage::auth, now);
}

void ClientMachine::on_auth(const Reply& reply, Instant now) {
  if (reply.code != 334) {
    sasl_.reset();
    return reply.positive() ? become_idle() : end(reply, Manner::with_quit);
  }
  auto answer = sasl_->respond();
  if (!answer) return out_of_step(fmt::format("an unexpected reply {}", reply.text()));
  output.append(std::move(*answer));
  enter(Stage::auth, now);
}

void ClientMachine::on_rset(const Reply& reply) {
  if (!reply.positive()) return end(reply, Manner::with_quit);
  become_idle();
}

// ---- ends ----

void ClientMachine::out_of_step(const std::string& what) {
  end(Closed{Closed::Why::reset, fmt::format("the host sent {}", what)}, Manner::at_once);
}

void ClientMachine::end(const Answer& answer, Manner manner) {
  // While the final dot still lies here the host cannot have the message: nothing is in doubt.
  const bool unsent = stage_ == Stage::final_dot && !output.empty();
  const Fact fact{unsent ? Stage::content : stage_, answer};
  if (run_) {
    run_->decide_rest(fact);
    result = run_->finish();
    run_.reset();
    content_.reset();
  } else if (!was_ready_ && !failure) {
    failure = fact;
  }
  sasl_.reset();
  chunks_owed_ = 0;
  output.take();  // content of a message that is given up, or nothing
  if (manner == Manner::with_quit) output.append("QUIT\r\n");
  state_ = State::closed;
  want = Want::close;
  deadline = never;
}

}  // namespace relay::wire
