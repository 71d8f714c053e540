// A scripted mail host: an SMTP server that does what a test wants at every point of a session, and remembers
// what it took. It reads lines by itself, so that a misunderstanding that client and server of the product
// share shows; a host with `real` set runs the product's ServerDialog instead, and follows no script after
// connect. Pure: the simulated network gives it bytes and carries away its answers.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mta/base/clock.h"

namespace relay::sim {

enum class Point {
  connect,
  greeting,
  ehlo,
  starttls,
  handshake,
  mail,
  rcpt,
  data,
  content,
  final_dot,
  rset,
  quit
};
inline constexpr int points = 12;

// What a host does at a point instead of the usual.
struct Act {
  enum class Kind {
    usual,
    reply,         // `text` instead
    refuse,        // at connect: connection refused; elsewhere the same as drop
    drop,          // the connection ends
    hang,          // nothing comes any more
    take_and_drop  // at final_dot: takes the message, and the connection ends before the reply
  } kind = Kind::usual;
  std::string text;
  Duration pause{};  // before it
};

struct Delivered {
  Instant at;
  std::string message;  // of its X-Sim-Id field
  std::string from;
  std::string recipient;
  std::string body;
  bool tls = false;
  bool reply_lost = false;  // the sender cannot know that this was taken
  bool known = false;       // the sender has the reply
};

struct HostScript {
  bool starttls = false;
  bool pipelining = true;
  bool smtputf8 = true;
  bool real = false;
  Duration session = Duration::max();  // after EHLO, then the host ends it, whatever is under way
  std::function<Act(Point, const std::string& argument, Instant now)> act;  // none: the usual, always
};

// Cannot be reached until then.
inline HostScript down_until(Instant up) {
  HostScript script;
  script.act = [up](Point p, const std::string&, Instant now) {
    return p == Point::connect && now < up ? Act{.kind = Act::Kind::refuse, .text = ""} : Act{};
  };
  return script;
}

class SimHost {
 public:
  explicit SimHost(HostScript behaviour) : script(std::move(behaviour)) {}
  HostScript script;
  std::vector<Delivered> delivered;
  std::uint32_t open = 0, most_open = 0, sessions = 0, dials = 0, transactions = 0;

  Act act(Point point, const std::string& argument, Instant now) {
    return script.act ? script.act(point, argument, now) : Act{};
  }
};

// One connection as the host sees it.
class HostSession {
 public:
  struct Answer {
    std::string bytes;
    Duration pause{};
    bool drop = false;
    bool final = false;  // the reply to the final dot
  };
  explicit HostSession(SimHost& host);
  virtual ~HostSession();
  HostSession(const HostSession&) = delete;
  HostSession& operator=(const HostSession&) = delete;

  virtual std::vector<Answer> greet(Instant now) = 0;
  virtual std::vector<Answer> on_bytes(std::string_view bytes, Instant now) = 0;
  virtual void on_tls(Instant now) = 0;
  virtual bool reading() const { return true; }
  SimHost& host() { return host_; }
  void final_reply_arrived();  // else what was taken counts as lost when this ends

 protected:
  void take(const std::string& from, const std::vector<std::string>& recipients, const std::string& body,
            bool tls, bool reply_lost, Instant now);

 private:
  SimHost& host_;
  std::vector<std::size_t> taken_;  // places in `delivered`, not yet acknowledged to the client
};

std::unique_ptr<HostSession> connect(SimHost& host);  // as the script says, or the real server

}  // namespace relay::sim
