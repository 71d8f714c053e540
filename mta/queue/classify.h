// Classifier: what a remote host's refusal is about, by a table of rules (conf/classify.yaml, and an
// administrator's own before it). What follows from it is policy: see trouble.h.
//
// Rules are tried in order and the first that fits counts. Texts are matched by RE2, in time linear in the
// reply's length whatever the pattern. Immutable once made: any thread.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mta/base/clock.h"
#include "mta/base/result.h"
#include "mta/wire/client_dialog.h"

namespace relay::queue {

// Whose sending it speaks about: what would have to change, or to slow down, for another answer.
enum class Scope : std::uint8_t {
  recipient,
  message,        // this message's envelope or size
  content,        // what is in it: others like it would fare alike
  sender_domain,  // its reputation or its DNS records
  account,        // everything that our customer sends
  source,         // our address
  site,           // the destination as a whole
};
std::string_view text(Scope scope);  // "sender_domain"

enum class Cause : std::uint8_t {
  unknown_user,
  mailbox_disabled,
  mailbox_full,
  too_large,
  greylisting,
  throttling,            // too much, too fast
  too_many_connections,  // at once
  blocked,               // a block list or a bad reputation
  spam,                  // content that looks like it
  virus,
  authentication,  // SPF, DKIM, DMARC
  policy,          // other rules of the host's
  tls_required,
  dns,              // our address or the sender's domain lacks something in the DNS
  relay_denied,     // the host is not the domain's
  bad_address,      // syntax
  domain_disabled,  // takes no mail
  host_trouble,     // out of order, out of room
  protocol,         // commands or parameters it does not like
  other,
};
std::string_view text(Cause cause);  // "mailbox_full"

// What to make of it, where that differs from what its code says.
enum class Treat : std::uint8_t { as_said, defer, fail };

struct ClassifyRule {
  // What a reply must have; an empty one fits all.
  std::string code = {};      // "421", "45x", "5xx"
  std::string enhanced = {};  // "4.7.28", "x.2.2", "5.7.*"
  std::string text = {};      // RE2 syntax, in any case, anywhere in the text behind the codes
  std::string host = {};      // "mx.example.com", "*.example.com": the host's name
  std::optional<wire::Stage> stage = {};
  // What it is then.
  Cause cause = Cause::other;
  Scope scope = Scope::recipient;
  Treat treat = Treat::as_said;
  Duration pause{};  // before the next attempt, at least; 0: as usual
};

struct Class {
  Cause cause = Cause::other;
  Scope scope = Scope::recipient;
  Treat treat = Treat::as_said;
  Duration pause{};  // what the rule or, first of all, the reply itself asks for; 0: neither does
};

class Classifier {
 public:
  Classifier();  // without rules: everything is Cause::other
  ~Classifier();
  Classifier(Classifier&&) noexcept;
  Classifier& operator=(Classifier&&) noexcept;
  // The error says which rule, from 0, which of its parts, and what is wrong with that.
  struct Wrong {
    std::size_t rule;
    std::string_view key;  // of the rule: "code"
    std::string reason;
  };
  static std::expected<Classifier, Wrong> make(std::vector<ClassifyRule> rules);

  // A refusal's class; `host` in lower case.
  Class classify(const wire::Reply& reply, wire::Stage stage, std::string_view host) const;

 private:
  struct Impl;
  std::unique_ptr<const Impl> impl_;
};

// How long the text asks to wait: "try again in 5 minutes", "Greylisted for 300 seconds", "retry after
// 00:10:00". At most a day; nothing if it does not say.
std::optional<Duration> asked_pause(std::string_view text);

}  // namespace relay::queue
