// Trouble: what every answer of a remote host, at every stage, means for a recipient, and what it means that
// there is no host. All failure policy is here, and nowhere else; the table of refusals (classify.h) only
// says what they are about, and where a code does not mean what it says. Pure.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "mta/base/clock.h"
#include "mta/base/rng.h"
#include "mta/dns/resolver.h"
#include "mta/queue/classify.h"
#include "mta/wire/client_dialog.h"

namespace relay::queue {

enum class Disposition { delivered, deferred, failed };

struct Verdict {
  Disposition disposition = Disposition::deferred;
  bool in_doubt = false;       // lost after the final dot: the host may have the message
  bool try_next_host = false;  // about the host, not the recipient: another of the site may do better
  bool slow_down = false;      // the site is sent too much: less, and later
  std::optional<Class> about;  // what a refusal by reply is about
  std::string detail;          // one human sentence: "connection refused while connecting"
};

// `host`, who answered, in lower case.
Verdict judge(const wire::Fact& fact, const Classifier& classifier, std::string_view host);
// Of a look-up that has found no host; `fixed`: of a route's named host.
Verdict judge(const dns::MailHosts& found, bool fixed);

struct RetrySettings {
  Duration first = std::chrono::minutes(1);  // after the first failed attempt
  double factor = 2.0;                       // growth
  Duration longest = std::chrono::hours(4);  // between two attempts
  Duration window = std::chrono::hours(
      72);  // after its time began (acceptance, or what it is scheduled for) the recipient fails with 4.4.7
            // (RFC 5321 4.5.4.1: 4-5 days is the old advice; 72 h is what large senders use)
  double jitter = 0.2;  // each pause is spread over +-20 %
};

// The pause after attempt number `attempts` (1 is the first) has failed. A host that asks for a pause
// (`asked`, zero if it does not) gets it, and a little more; but one that has asked often enough is not asked
// back sooner than any other.
Duration retry_pause(const RetrySettings& settings, std::uint32_t attempts, Duration asked, Rng& rng);

}  // namespace relay::queue
