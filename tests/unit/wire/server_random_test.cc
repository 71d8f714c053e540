// Random pipelined sessions: the dialog against the model in server_model.h. A failure names its seed, and
// RELAY_MODEL_SEED=… plays that one alone.
#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "tests/unit/wire/server_model.h"
#include "tests/unit/wire/server_script.h"

using namespace relay::wire;

namespace {

class Session {
 public:
  explicit Session(std::uint32_t seed) : random_(seed) {
    settings_ = below(2) == 0 ? sink_settings() : submission_settings();
    ServerLimits& limits = settings_.limits;
    limits.errors = 1 + below(12);
    limits.errors_at_once = below(6);
    limits.junk_commands = 4 + below(10);
    limits.messages = 1 + below(4);
    limits.recipients = 1 + below(3);
    limits.message_bytes = 20 + below(100);
    limits.auth_failures = 1 + below(4);
    limits.command_line_bytes = 100;
    const bool implicit = below(2) == 0;
    model_.needs_auth = settings_.require_auth;
    model_.tls = implicit;
    model_.max_errors = limits.errors;
    model_.max_junk = limits.junk_commands;
    model_.max_messages = limits.messages;
    model_.max_recipients = limits.recipients;
    model_.max_bytes = static_cast<unsigned>(limits.message_bytes);
    model_.max_failures = limits.auth_failures;
    server_ = std::make_unique<ScriptedServer>(settings_, implicit);
  }

  void play() {
    if (below(4) != 0) add(Act::ehlo);
    if (settings_.require_auth && below(4) != 0) {
      if (!model_.tls) add(Act::starttls), add(Act::ehlo);
      add(Act::auth);
    }
    for (std::uint32_t left = 1 + below(30); left > 0; --left) {
      if (below(3) == 0) {
        transaction();
      } else {
        add(static_cast<Act>(below(static_cast<std::uint32_t>(Act::foreign) + 1)));
      }
    }
    feed();
  }

  bool agrees() {
    std::vector<std::string> taken;
    for (const SubmitRequest& m : server_->taken)
      taken.push_back(std::to_string(m.envelope.recipients.size()) + " recipients: " + m.content->flatten());
    return codes() == model_.codes && taken == model_.taken &&
           (server_->dialog.wants() == Want::close) == model_.closed;
  }
  // The last line of each reply.
  std::vector<int> codes() const {
    std::vector<int> all;
    for (std::size_t at = 0; at < server_->said.size(); at = server_->said.find('\n', at) + 1)
      if (server_->said[at + 3] == ' ') all.push_back(std::stoi(server_->said.substr(at, 3)));
    return all;
  }
  std::string story;
  const Model& model() const { return model_; }

 private:
  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(random_() % n); }

  void transaction() {
    add(Act::mail);
    for (std::uint32_t n = below(4); n > 0; --n) add(Act::rcpt);
    if (below(2) == 0) return add(Act::data);
    for (std::uint32_t n = below(3); n > 0; --n) add(Act::bdat);
    add(Act::bdat_last);
  }

  std::string content() {
    std::string all;
    for (std::uint32_t lines = below(4); lines > 0; --lines)
      all += ".x-" + std::string(below(30), 'y') + "\r\n";
    return all;
  }

  std::string bytes_of(Act what, const std::string& content) {
    switch (what) {
      case Act::ehlo: return "EHLO c\r\n";
      case Act::helo: return "HELO c\r\n";
      case Act::mail: return "MAIL FROM:<a@b.test>\r\n";
      case Act::mail_too_large: return "MAIL FROM:<a@b.test> SIZE=5000\r\n";
      case Act::mail_bad: return "MAIL FROM:a@b.test\r\n";
      case Act::rcpt: return "RCPT TO:<c@d.test>\r\n";
      case Act::rcpt_refused: return "RCPT TO:<c@refused.example>\r\n";
      case Act::rcpt_bad: return "RCPT TO:<c@>\r\n";
      case Act::data: {
        std::string stuffed;
        for (std::size_t at = 0; at < content.size();) {
          const std::size_t end = content.find('\n', at) + 1;
          stuffed += '.' + content.substr(at, end - at);
          at = end;
        }
        return "DATA\r\n" + stuffed + ".\r\n";
      }
      case Act::bdat: return "BDAT " + std::to_string(content.size()) + "\r\n" + content;
      case Act::bdat_last: return "BDAT " + std::to_string(content.size()) + " LAST\r\n" + content;
      case Act::rset: return "RSET\r\n";
      case Act::noop: return "NOOP\n";
      case Act::unknown: return "XYZZY\r\n";
      case Act::long_line: return std::string(100, 'l') + "\r\n";
      case Act::auth: return "AUTH PLAIN AGFwcABzZWNyZXQ=\r\n";
      case Act::auth_wrong: return "AUTH PLAIN AGFwcAB3cm9uZw==\r\n";
      case Act::starttls: return "STARTTLS\r\n";
      case Act::quit: return "QUIT\r\n";
      case Act::foreign: return "GET / HTTP/1.1\r\n";
    }
    return {};
  }

  void add(Act what) {
    if ((what == Act::quit || what == Act::foreign) && below(8) != 0) what = Act::noop;
    const bool carries = what == Act::data || what == Act::bdat || what == Act::bdat_last;
    const std::string carried = carries ? content() : std::string();
    const bool handshake = what == Act::starttls && model_.will_handshake();
    model_.act(what, carried);
    waiting_ += bytes_of(what, carried);
    if (!handshake) return;
    if (below(2) == 0) waiting_ += "NOOP\r\nMAIL FROM:<evil@b.test>\r\n";  // must never be obeyed
    feed_at_once();
    // 220 may have been one error too many's 421, which the model has said already.
    if (server_->dialog.wants() == Want::tls_handshake) server_->handshake();
  }

  void feed() {
    while (!waiting_.empty()) {
      const std::size_t n = std::min<std::size_t>(waiting_.size(), 1 + below(below(2) == 0 ? 3 : 200));
      send(waiting_.substr(0, n));
      waiting_.erase(0, n);
    }
  }
  // What stands behind STARTTLS must come in its read, or it would be the handshake's.
  void feed_at_once() {
    send(waiting_);
    waiting_.clear();
  }
  void send(const std::string& bytes) {
    story += bytes + "|";
    server_->feed(bytes);
  }

  std::mt19937 random_;
  ServerSettings settings_;
  Model model_;
  std::unique_ptr<ScriptedServer> server_;
  std::string waiting_;
};

std::string text(const std::vector<int>& codes) {
  std::string all;
  for (const int code : codes) all += std::to_string(code) + " ";
  return all;
}

// Answers how many messages it came to.
std::size_t play(std::uint32_t seed) {
  Session session(seed);
  session.play();
  if (session.agrees()) return session.model().taken.size();
  CAPTURE(seed);
  CAPTURE(session.story);
  CHECK(text(session.codes()) == text(session.model().codes));
  FAIL("the dialog and the model do not agree");
  return 0;
}

}  // namespace

TEST_CASE("server: 100,000 random sessions do what the model does") {
  if (const char* one = std::getenv("RELAY_MODEL_SEED")) {
    play(static_cast<std::uint32_t>(std::stoul(one)));
    return;
  }
  const std::uint32_t base = std::random_device{}();
  std::printf("RELAY_MODEL_SEED=%u and the next 99,999\n", base);
  std::size_t messages = 0;
  for (std::uint32_t i = 0; i < 100'000; ++i) messages += play(base + i);
  CHECK(messages > 20'000);  // else they never got beyond the door
}
