#include "tests/sim/sim_host.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "tests/sim/sim_server.h"

namespace relay::sim {
namespace {

std::string path_of(const std::string& command) {
  const auto open = command.find('<'), close = command.find('>', open);
  return open == std::string::npos ? "" : command.substr(open + 1, close - open - 1);
}

std::string header(const std::string& body, const std::string& name) {
  const auto at = body.find(name + ": ");
  if (at == std::string::npos) return "";
  const auto from = at + name.size() + 2;
  return body.substr(from, body.find("\r\n", from) - from);
}

// The host that follows its script.
class ScriptedSession final : public HostSession {
 public:
  using HostSession::HostSession;
  std::vector<Answer> greet(Instant now) override;
  std::vector<Answer> on_bytes(std::string_view bytes, Instant now) override;
  void on_tls(Instant) override { tls_ = true; }
  bool reading() const override { return !mute_; }

 private:
  void line(const std::string& text, Instant now);
  void command(const std::string& text, Instant now);
  void content_line(const std::string& text, Instant now);
  void take_this(bool reply_lost, Instant now) { take(from_, recipients_, body_, tls_, reply_lost, now); }
  void answer(Point point, const std::string& argument, std::string usual, Instant now,
              const std::function<void(const std::string& reply)>& then = {});

  std::string buffer_;
  std::vector<Answer> answers_;
  bool mute_ = false;  // hanging or dropped
  bool tls_ = false;
  bool in_data_ = false;
  bool in_mail_ = false;
  std::string from_;
  std::vector<std::string> recipients_;
  std::string body_;
};

}  // namespace

HostSession::HostSession(SimHost& host) : host_(host) {
  ++host_.sessions;
  host_.most_open = std::max(host_.most_open, ++host_.open);
}

void HostSession::final_reply_arrived() {
  for (const std::size_t at : taken_) host_.delivered[at].known = true;
  taken_.clear();
}

HostSession::~HostSession() {
  --host_.open;
  for (const std::size_t at : taken_) host_.delivered[at].reply_lost = true;
}

namespace {

std::vector<HostSession::Answer> ScriptedSession::greet(Instant now) {
  answer(Point::greeting, "", "220 host.example ESMTP", now);
  return std::exchange(answers_, {});
}

std::vector<HostSession::Answer> ScriptedSession::on_bytes(std::string_view bytes, Instant now) {
  buffer_ += bytes;
  for (auto end = buffer_.find("\r\n"); end != std::string::npos && !mute_; end = buffer_.find("\r\n")) {
    const std::string text = buffer_.substr(0, end);
    buffer_.erase(0, end + 2);
    line(text, now);
  }
  return std::exchange(answers_, {});
}

void ScriptedSession::line(const std::string& text, Instant now) {
  if (in_data_)
    content_line(text, now);
  else
    command(text, now);
}

// Sends what the script says or `usual`; `then` learns the reply unless the session hangs or ends here.
void ScriptedSession::answer(Point point, const std::string& argument, std::string usual, Instant now,
                             const std::function<void(const std::string&)>& then) {
  const Act act = host().act(point, argument, now);
  switch (act.kind) {
    case Act::Kind::usual: break;
    case Act::Kind::reply: usual = act.text; break;
    case Act::Kind::hang: mute_ = true; return;
    case Act::Kind::take_and_drop: take_this(true, now); [[fallthrough]];
    case Act::Kind::refuse:
    case Act::Kind::drop:
      mute_ = true;
      answers_.push_back({"", act.pause, true, false});
      return;
  }
  answers_.push_back({usual + "\r\n", act.pause, usual.starts_with("421"), false});
  if (usual.starts_with("421")) mute_ = true;
  if (then) then(usual);
}

void ScriptedSession::command(const std::string& text, Instant now) {
  std::string verb = text.substr(0, text.find(' '));
  std::ranges::transform(verb, verb.begin(), [](char c) { return static_cast<char>(std::toupper(c)); });
  const auto good = [](const std::string& reply) { return reply[0] == '2' || reply[0] == '3'; };
  if (verb == "EHLO") {
    std::string extensions = "250-host.example\r\n";
    if (host().script.pipelining) extensions += "250-PIPELINING\r\n";
    if (host().script.smtputf8) extensions += "250-SMTPUTF8\r\n";
    if (host().script.starttls && !tls_) extensions += "250-STARTTLS\r\n";
    answer(Point::ehlo, text, extensions + "250 8BITMIME", now);
    if (host().script.session != Duration::max())
      answers_.push_back({"", host().script.session, true, false});
  } else if (verb == "HELO") {
    answer(Point::ehlo, text, "250 host.example", now);
  } else if (verb == "STARTTLS") {
    answer(Point::starttls, "", "220 go ahead", now);
  } else if (verb == "MAIL") {
    ++host().transactions;
    recipients_.clear();
    in_mail_ = false;
    answer(Point::mail, path_of(text), "250 sender ok", now, [&](const std::string& reply) {
      in_mail_ = good(reply);
      from_ = path_of(text);
    });
  } else if (verb == "RCPT" && !in_mail_) {
    answers_.push_back({"503 5.5.1 MAIL first\r\n", {}, false, false});
  } else if (verb == "RCPT") {
    answer(Point::rcpt, path_of(text), "250 recipient ok", now, [&](const std::string& reply) {
      if (good(reply)) recipients_.push_back(path_of(text));
    });
  } else if (verb == "DATA") {
    const std::string usual = recipients_.empty() ? "554 5.5.1 no valid recipients" : "354 go ahead";
    answer(Point::data, "", usual, now,
           [&](const std::string& reply) { in_data_ = reply.starts_with("354"); });
    body_.clear();
  } else if (verb == "RSET") {
    recipients_.clear();
    in_mail_ = false;
    answer(Point::rset, "", "250 reset", now);
  } else if (verb == "QUIT") {
    answer(Point::quit, "", "221 bye", now, [&](const std::string&) { answers_.back().drop = true; });
    mute_ = true;
  } else {
    answers_.push_back({"500 5.5.2 what?\r\n", {}, false, false});
  }
}

void ScriptedSession::content_line(const std::string& text, Instant now) {
  if (text != ".") {
    if (body_.empty()) {
      const Act act = host().act(Point::content, "", now);
      if (act.kind == Act::Kind::hang) mute_ = true;
      if (act.kind == Act::Kind::drop) {
        mute_ = true;
        answers_.push_back({"", act.pause, true, false});
      }
    }
    body_ += (text.starts_with(".") ? text.substr(1) : text) + "\r\n";
    return;
  }
  in_data_ = false;
  answer(Point::final_dot, header(body_, "X-Sim-Id"), "250 2.0.0 taken", now, [&](const std::string& reply) {
    if (!reply.starts_with("2")) return;
    take_this(false, now);
    answers_.back().final = true;
  });
  recipients_.clear();
}

}  // namespace

void HostSession::take(const std::string& from, const std::vector<std::string>& recipients,
                       const std::string& body, bool tls, bool reply_lost, Instant now) {
  for (const std::string& recipient : recipients) {
    if (!reply_lost) taken_.push_back(host_.delivered.size());
    host_.delivered.push_back({now, header(body, "X-Sim-Id"), from, recipient, body, tls, reply_lost});
  }
}

std::unique_ptr<HostSession> connect(SimHost& host) {
  if (host.script.real) return connect_real(host);
  return std::make_unique<ScriptedSession>(host);
}

}  // namespace relay::sim
