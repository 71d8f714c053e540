#include "mta/queue/trouble.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace relay::queue {
namespace {

using wire::Stage;
using enum Disposition;

// What an answer is, as far as policy cares.
enum class Kind {
  accepted,        // 2xx
  out_of_step,     // 3xx, or a code that no reply has
  shutting_down,   // 421, legal at any stage (RFC 5321 3.8)
  too_many,        // 452 or 552 to RCPT
  transient,       // other 4xx
  permanent,       // other 5xx
  closed,          // the connection ended, or never was
  timed_out,       //
  lacks_smtputf8,  // the host does not offer what the message needs
  lacks_size,
  lacks_8bitmime,
  lacks_starttls,
  lacks_auth,
  lacks_requiretls,
  unauthenticated,  // 530 to MAIL
};

struct Rule {
  Kind kind;
  Stage from, to;  // inclusive, in the order of enum Stage
  Disposition disposition;
  bool in_doubt = false;
  bool try_next_host = false;
};

constexpr bool doubt = true;
constexpr bool next_host = true;

// The whole policy. The first rule that matches counts; none matching means deferred.
constexpr std::array rules{
    Rule{Kind::accepted, Stage::final_dot, Stage::final_dot, delivered},

    // The host is going away; it says nothing about the recipient.
    Rule{Kind::shutting_down, Stage::connect, Stage::quit, deferred, !doubt, next_host},

    // Before MAIL every refusal is about the host or about us, not about this message: 554 in a greeting too
    // (RFC 5321 3.1), and so another host of the site may take it, or this one later.
    Rule{Kind::transient, Stage::connect, Stage::handshake, deferred, !doubt, next_host},
    Rule{Kind::permanent, Stage::connect, Stage::handshake, deferred, !doubt, next_host},

    // Credentials that a smart host refuses are our administrator's to mend, and another of its hosts asks
    // the same directory; too many refusals lock accounts. What is temporary may be that host's alone.
    Rule{Kind::permanent, Stage::auth, Stage::auth, deferred},
    Rule{Kind::transient, Stage::auth, Stage::auth, deferred, !doubt, next_host},

    // RFC 4954 6, RFC 3207 4: the host wants credentials or TLS, whoever the recipient is. To RCPT it is a
    // word about the recipient: hosts say so of domains that are not theirs.
    Rule{Kind::unauthenticated, Stage::mail, Stage::mail, deferred},

    // RFC 5321 4.5.3.1.10: 552 to RCPT, unless its enhanced code says otherwise, means too many recipients
    // and counts as 452; the rest go later. Elsewhere the two differ: 452 is no space at present, 552 is a
    // message that is too large.
    Rule{Kind::too_many, Stage::rcpt, Stage::rcpt, deferred},
    Rule{Kind::transient, Stage::mail, Stage::final_dot, deferred},
    Rule{Kind::permanent, Stage::mail, Stage::final_dot, failed},

    // After RSET and QUIT nothing about a recipient is open; the connection is of no more use.
    Rule{Kind::transient, Stage::rset, Stage::quit, deferred, !doubt, next_host},
    Rule{Kind::permanent, Stage::rset, Stage::quit, deferred, !doubt, next_host},

    // Once the final dot has left, the host may have the message: a retry at another host would duplicate it
    // for certain if this one has, so the retry waits and goes here first (RFC 5321 4.2.5, RFC 1047).
    Rule{Kind::closed, Stage::final_dot, Stage::final_dot, deferred, doubt, !next_host},
    Rule{Kind::timed_out, Stage::final_dot, Stage::final_dot, deferred, doubt, !next_host},
    Rule{Kind::out_of_step, Stage::final_dot, Stage::final_dot, deferred, doubt, !next_host},
    Rule{Kind::closed, Stage::connect, Stage::quit, deferred, !doubt, next_host},
    Rule{Kind::timed_out, Stage::connect, Stage::quit, deferred, !doubt, next_host},
    Rule{Kind::out_of_step, Stage::connect, Stage::quit, deferred, !doubt, next_host},
    Rule{Kind::accepted, Stage::connect, Stage::quit, deferred, !doubt, next_host},

    Rule{Kind::lacks_smtputf8, Stage::connect, Stage::quit, failed},  // RFC 6531 3.2
    Rule{Kind::lacks_size, Stage::connect, Stage::quit, failed},      // RFC 1870
    Rule{Kind::lacks_8bitmime, Stage::connect, Stage::quit, failed},  // RFC 6152 3
    // Required by our administrator, and a host that has lost its certificate will get one again.
    Rule{Kind::lacks_starttls, Stage::connect, Stage::quit, deferred, !doubt, next_host},
    Rule{Kind::lacks_auth, Stage::connect, Stage::quit, deferred, !doubt, next_host},
    // Required by the sender, who is to hear of it soon (RFC 8689 4.2.1, 5).
    Rule{Kind::lacks_requiretls, Stage::connect, Stage::quit, failed},
};

Kind kind_of(const wire::Reply& reply, Stage stage) {
  if (reply.code == 421) return Kind::shutting_down;
  // An enhanced code says more than 552 alone: 5.2.2 is a full mailbox and no word about the number of
  // recipients.
  const bool too_many =
      reply.code == 452 || (reply.code == 552 && (reply.enhanced.empty() || reply.enhanced == "5.5.3"));
  if (stage == Stage::rcpt && too_many) return Kind::too_many;
  if (stage == Stage::mail && reply.code == 530) return Kind::unauthenticated;
  switch (reply.code / 100) {
    case 2: return Kind::accepted;
    case 4: return Kind::transient;
    case 5: return Kind::permanent;
    default: return Kind::out_of_step;
  }
}

Kind kind_of(const wire::Closed&, Stage) { return Kind::closed; }
Kind kind_of(const wire::TimedOut&, Stage) { return Kind::timed_out; }
Kind kind_of(const wire::Unsupported& lack, Stage) {
  if (lack.extension == "SMTPUTF8") return Kind::lacks_smtputf8;
  if (lack.extension == "SIZE") return Kind::lacks_size;
  if (lack.extension == "8BITMIME") return Kind::lacks_8bitmime;
  if (lack.extension == "AUTH") return Kind::lacks_auth;
  if (lack.extension == "REQUIRETLS") return Kind::lacks_requiretls;
  return Kind::lacks_starttls;
}

constexpr std::uint32_t asked_often = 10;

// What is stored with every recipient's event must stay small, whatever a host sends.
constexpr std::size_t longest_detail = 1000;

std::string shortened(std::string text) {
  if (text.size() <= longest_detail) return text;
  std::size_t end = longest_detail;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;  // not within a character
  text.resize(end);
  return text + "...";
}

std::string sentence(const wire::Reply& reply, Stage stage) {
  std::string text = shortened(reply.text());
  if (stage == Stage::final_dot && reply.positive()) return text;
  return fmt::format("{} (while {})", text, phrase(stage));
}

std::string_view reason(wire::Closed::Why why) {
  switch (why) {
    case wire::Closed::Why::end_of_file: return "the host closed the connection";
    case wire::Closed::Why::reset: return "the connection was lost";
    case wire::Closed::Why::connect_failed: return "no connection could be made";
    case wire::Closed::Why::no_route: return "there is no route to the host";
    case wire::Closed::Why::connect_timeout: return "timed out";
    case wire::Closed::Why::tls_failed: return "TLS failed";
  }
  return "the connection was lost";
}

std::string sentence(const wire::Closed& closed, Stage stage) {
  return fmt::format("{} while {}", closed.detail.empty() ? reason(closed.why) : shortened(closed.detail),
                     phrase(stage));
}

std::string sentence(const wire::TimedOut&, Stage stage) {
  return fmt::format("timed out while {}", phrase(stage));
}

std::string sentence(const wire::Unsupported& lack, Stage) {
  // The codes of RFC 3463 and RFC 6531 3.2 go into delivery reports.
  if (lack.extension == "SMTPUTF8")
    return "5.6.7 the host does not support SMTPUTF8, which this message's addresses or headers need";
  if (lack.extension == "SIZE") return "5.3.4 the message is larger than the host takes";
  if (lack.extension == "8BITMIME") return "5.6.3 the host does not take 8-bit content";
  if (lack.extension == "REQUIRETLS") {  // RFC 8689 8.1
    if (lack.detail.empty()) return "5.7.30 the host does not offer REQUIRETLS, which this message demands";
    return "5.7.10 this message demands verified TLS, and " + lack.detail;
  }
  if (lack.extension == "AUTH") return "the host cannot be authenticated to: " + lack.detail;
  if (!lack.detail.empty())
    return fmt::format("the host refused {}, which is required: {}", lack.extension, shortened(lack.detail));
  return fmt::format("the host does not offer {}, which is required", lack.extension);
}

// Within a transaction a code may mean other than it says; before one, and in 421, the host speaks of itself.
void look_into(Verdict& verdict, const wire::Reply& reply, Stage stage, const Class& about) {
  verdict.about = about;
  const bool of_message = stage >= Stage::mail && stage <= Stage::final_dot && reply.code != 421;
  if (of_message && about.treat == Treat::defer && verdict.disposition == failed)
    verdict.disposition = deferred;
  if (of_message && about.treat == Treat::fail && verdict.disposition == deferred)
    verdict.disposition = failed;
  if (verdict.disposition != deferred || about.scope == Scope::recipient || about.scope == Scope::message)
    return;
  verdict.slow_down = about.cause == Cause::throttling || about.cause == Cause::too_many_connections ||
                      about.cause == Cause::blocked;
}

}  // namespace

Verdict judge(const wire::Fact& fact, const Classifier& classifier, std::string_view host) {
  const Kind kind = std::visit([&](const auto& a) { return kind_of(a, fact.stage); }, fact.answer);
  const auto rule = std::ranges::find_if(
      rules, [&](const Rule& r) { return r.kind == kind && r.from <= fact.stage && fact.stage <= r.to; });
  Verdict verdict;
  if (rule != rules.end()) {
    verdict.disposition = rule->disposition;
    verdict.in_doubt = rule->in_doubt;
    verdict.try_next_host = rule->try_next_host;
  }
  if (const auto* reply = std::get_if<wire::Reply>(&fact.answer); reply != nullptr && reply->code >= 400)
    look_into(verdict, *reply, fact.stage, classifier.classify(*reply, fact.stage, host));
  verdict.detail = std::visit([&](const auto& a) { return sentence(a, fact.stage); }, fact.answer);
  return verdict;
}

Verdict judge(const dns::MailHosts& found, bool fixed) {
  using Status = dns::MailHosts::Status;
  Verdict verdict;
  const auto say = [&](std::string_view sentence) {
    verdict.detail = shortened(found.detail.empty() ? std::string(sentence)
                                                    : fmt::format("{}: {}", sentence, found.detail));
    return verdict;
  };
  // A route's host that does not exist is the configuration's fault, so mail waits for it.
  if (!fixed) {
    verdict.disposition = failed;
    switch (found.status) {
      case Status::null_mx: return say("5.1.10 the domain accepts no mail (null MX)");  // RFC 7505 3
      case Status::no_domain:
        return say("5.1.2 the domain does not exist or has no mail host");  // RFC 3463 3.2
      case Status::loop:
        return say("5.4.6 mail for the domain would come back to this relay");  // RFC 3463 3.5
      // What the domain's owner has published will not do tomorrow either, and a sender who hears of it at
      // once can tell him. 5.4.4 (RFC 3463 3.5) tells it from a domain that does not exist.
      case Status::refused: return say("5.4.4 the domain's mail hosts have no public address");
      case Status::ok:
      case Status::temporary: break;
    }
    verdict.disposition = deferred;
  }
  // RFC 3463 3.8: X.7.5 cryptographic failure. A domain's signatures that have expired will be renewed.
  if (found.bogus) return say("4.7.5 looking up mail hosts failed, as DNSSEC finds the answers not genuine");
  return say("4.4.3 looking up mail hosts failed");  // RFC 3463 3.5
}

Duration retry_pause(const RetrySettings& settings, std::uint32_t attempts, Duration asked, Rng& rng) {
  if (asked > Duration::zero() && attempts <= asked_often) {
    const double seconds = std::chrono::duration<double>(std::max(asked, settings.first)).count();
    return std::chrono::duration_cast<Duration>(
        std::chrono::duration<double>(seconds * (1.0 + settings.jitter * rng.unit())));
  }
  const double longest = std::chrono::duration<double>(settings.longest).count();
  const double first = std::chrono::duration<double>(settings.first).count();
  const double exponent = attempts > 1 ? attempts - 1.0 : 0.0;
  // pow() may reach infinity; min() brings it back.
  const double pause = std::min(longest, first * std::pow(settings.factor, exponent));
  const double spread = 1.0 + settings.jitter * (2.0 * rng.unit() - 1.0);
  return std::max(asked, std::chrono::duration_cast<Duration>(std::chrono::duration<double>(pause * spread)));
}

}  // namespace relay::queue
