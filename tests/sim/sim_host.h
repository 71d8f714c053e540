// A scripted mail host: an SMTP server that does what a test wants at every point of a session, and remembers
// what it took. It reads lines by itself, not with the product's ServerDialog, so that a shared
// misunderstanding shows. Pure: the simulated network gives it bytes and carries away its answers.
#pragma once
#include <functional>
#include <map>
#include <optional>
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
};

struct HostScript {
  bool starttls = false;
  bool pipelining = true;
  bool smtputf8 = true;
  std::function<Act(Point, const std::string& argument, Instant now)> act;  // none: the usual, always
};

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
  ~HostSession();
  HostSession(const HostSession&) = delete;
  HostSession& operator=(const HostSession&) = delete;

  std::vector<Answer> greet(Instant now);
  std::vector<Answer> on_bytes(std::string_view bytes, Instant now);
  void on_tls() { tls_ = true; }
  SimHost& host() { return host_; }
  void final_reply_arrived() { taken_.clear(); }  // else what was taken counts as lost when this ends

 private:
  void line(const std::string& text, Instant now);
  void command(const std::string& text, Instant now);
  void content_line(const std::string& text, Instant now);
  void take(bool reply_lost, Instant now);
  void answer(Point point, const std::string& argument, std::string usual, Instant now,
              const std::function<void(const std::string& reply)>& then = {});

  SimHost& host_;
  std::string buffer_;
  std::vector<Answer> answers_;
  bool mute_ = false;  // hanging or dropped
  bool tls_ = false;
  bool in_data_ = false;
  bool in_mail_ = false;
  std::string from_;
  std::vector<std::string> recipients_;
  std::string body_;
  std::vector<std::size_t> taken_;  // places in `delivered`, not yet acknowledged to the client
};

}  // namespace relay::sim
