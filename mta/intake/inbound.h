// Inbound: mail that comes to the relay's own return-path domains from anybody: bounces, delay warnings,
// complaints, answers of programs. The counterpart of Intake, and never a way to relay: a recipient of any
// other domain is refused. So is "postmaster" without a domain, which RFC 5321 4.5.1 wants taken: nobody
// would read it here, and who writes to a person is better told so.
//
// take() is the one function that such mail is handed to. So far it says in the log what came, one line a
// message, as strangers write them; refusals are counted only. It keeps nothing: a bounce is matched with its
// message by what builds on this. Thread-safe; each loop has a policy of its own.
#pragma once
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mta/intake/admission.h"
#include "mta/wire/server_dialog.h"

namespace relay::intake {

struct InboundSettings {
  std::vector<std::string> domains;         // in lower case, A-labels; mail to them alone is taken
  std::uint64_t message_bytes = 10u << 20;  // a bounce may carry the message it is about, but need not
  std::uint32_t recipients = 100;           // RFC 5321 4.5.3.1.8; a bounce has one
};

struct InboundStats {
  std::uint64_t messages = 0, bytes = 0;
  std::uint64_t refused = 0;  // recipients of other domains
};

class Inbound {
 public:
  explicit Inbound(InboundSettings settings) : settings_(std::move(settings)) {}
  bool takes(std::string_view address) const;
  void refuse() { refused_.fetch_add(1, std::memory_order_relaxed); }
  wire::Reply take(const wire::SubmitRequest& request);
  const InboundSettings& settings() const { return settings_; }
  InboundStats stats() const;

 private:
  const InboundSettings settings_;
  std::atomic<std::uint64_t> messages_{0}, bytes_{0}, refused_{0};
};

class InboundPolicy final : public wire::ServerPolicy {
 public:
  InboundPolicy(Inbound& inbound, Admission& admission) : inbound_(inbound), admission_(admission) {}
  bool pressed() const override { return admission_.pressed(); }
  ByteBudget* content() const override { return &admission_.content(); }
  std::optional<wire::Reply> on_rcpt(const wire::Identity* who, const wire::Envelope& so_far,
                                     const std::string& address) override;

 private:
  Inbound& inbound_;
  Admission& admission_;
};

}  // namespace relay::intake
