#include "tests/sim/sim_server.h"

#include <utility>

#include "mta/wire/server_dialog.h"

namespace relay::sim {
namespace {

struct TakeAll final : wire::ServerPolicy {
  std::optional<wire::Reply> on_mail(const wire::Identity*, const wire::MailFrom&) override { return {}; }
  std::optional<wire::Reply> on_rcpt(const wire::Identity*, const wire::Envelope&,
                                     const std::string& address) override {
    if (address.starts_with("bad")) return wire::Reply{550, "5.1.1", {"No such user"}};
    return {};
  }
};

class RealSession final : public HostSession {
 public:
  explicit RealSession(SimHost& host) : HostSession(host), dialog_(settings(host), policy_) {}

  std::vector<Answer> greet(Instant now) override {
    dialog_.on_open({"192.0.2.254", 40000}, nullptr, now);
    return answers(false);
  }
  std::vector<Answer> on_bytes(std::string_view bytes, Instant now) override {
    dialog_.on_bytes(bytes, now);
    bool final = false;
    while (auto action = dialog_.take_action()) {
      const auto& mail = std::get<wire::SubmitRequest>(*action);
      std::vector<std::string> recipients;
      for (const auto& r : mail.envelope.recipients) recipients.push_back(r.address);
      take(mail.envelope.reverse_path, recipients, mail.content->flatten(), mail.tls, false, now);
      ++host().transactions;
      final = true;
      dialog_.on_accept_result({250, "2.0.0", {"taken"}}, now);
    }
    return answers(final);
  }
  void on_tls(Instant now) override { dialog_.on_tls({"TLSv1.3", "TLS_AES_256_GCM_SHA384"}, now); }

 private:
  static std::shared_ptr<const wire::ServerSettings> settings(const SimHost& host) {
    wire::ServerSettings settings;
    settings.host_name = "host.example";
    settings.offer_starttls = host.script.starttls;
    settings.require_auth = false;
    return std::make_shared<const wire::ServerSettings>(std::move(settings));
  }
  std::vector<Answer> answers(bool final) {
    std::vector<Answer> all;
    const bool close = dialog_.wants() == wire::Want::close;
    if (!dialog_.output().empty() || close) all.push_back({dialog_.output().take_text(), {}, close, final});
    return all;
  }

  TakeAll policy_;
  wire::ServerDialog dialog_;
};

}  // namespace

std::unique_ptr<HostSession> connect_real(SimHost& host) { return std::make_unique<RealSession>(host); }

}  // namespace relay::sim
