// The commands of relayctl. Each asks relayd, prints, and returns the program's exit code.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "relay-api/ctl/session.h"

namespace relay::ctl {

struct QueueListOptions {
  std::string domain, status, after;
  std::uint32_t limit = 50;
};
// What queue retry, hold, release and cancel act on: ids, or a domain, or everything. The command line has
// checked that it is one of them.
struct ControlOptions {
  std::vector<std::string> ids;
  std::string domain;
  bool all = false;
};
struct MessageListOptions {
  std::string account, before;
  std::uint32_t limit = 50;
};
// A key's policy as the words say it; nothing said is empty, and "none" takes a limit away.
struct KeyPolicyOptions {
  std::vector<std::string> domains, addresses, networks;
  std::string check, recipients, size, rate, burst, daily, sessions;
};
struct KeyCreateOptions {
  std::string account = "default";
  std::string label;
  KeyPolicyOptions policy;
};
struct KeySetOptions {
  std::string id;
  std::optional<std::string> label;
  KeyPolicyOptions policy;
};

struct LiftOptions {
  std::string subject;  // an address or an account
  bool all = false;
};

int queue_list(Session& session, const QueueListOptions& options);
int queue_show(Session& session, const std::string& id);
int queue_control(Session& session, const std::string& verb,
                  const ControlOptions& options);  // verb: "retry"...

int message_list(Session& session, const MessageListOptions& options);
int message_show(Session& session, const std::string& id);
int message_content(Session& session, const std::string& id);
int why(Session& session, const std::string& id);

int key_create(Session& session, const KeyCreateOptions& options);
int key_list(Session& session);
int key_show(Session& session, const std::string& id);
int key_set(Session& session, const KeySetOptions& options);
int key_revoke(Session& session, const std::string& id);

int lockout_list(Session& session);
int lockout_lift(Session& session, const LiftOptions& options);

// Of the member `tls` of the relay's status: each certificate in words, and why they are not those of the
// files.
std::vector<std::string> certificate_lines(const boost::json::object& tls, WallTime now);
int tls_reload(Session& session);

int stats(Session& session);
int status(Session& session);

}  // namespace relay::ctl
