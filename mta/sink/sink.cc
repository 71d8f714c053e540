#include "mta/sink/sink.h"

#include <fmt/format.h>

#include <cstdio>
#include <optional>

#include "mta/base/log.h"
#include "mta/base/signals.h"
#include "mta/net/listener.h"
#include "mta/net/session.h"
#include "mta/sink/store.h"

namespace relay::sink {
namespace {

struct TakeAll final : wire::ServerPolicy {
  std::optional<wire::Reply> on_mail(const wire::Identity*, const wire::MailFrom&) override {
    return std::nullopt;
  }
  std::optional<wire::Reply> on_rcpt(const wire::Identity*, const wire::Envelope&,
                                     const std::string&) override {
    return std::nullopt;
  }
};

std::string line_of(const Mail& mail) {
  std::string recipients;
  for (const auto& r : mail.recipients) {
    if (!recipients.empty()) recipients += ", ";
    if (recipients.size() > 200) {
      recipients += fmt::format("... {} in all", mail.recipients.size());
      break;
    }
    recipients += r;
  }
  const std::string number = fmt::format(" #{}", mail.number);
  return fmt::format("{}{} from <{}> to {} subject {} {} bytes{}\n", format_rfc3339(mail.received), number,
                     mail.from, recipients, log::printable(mail.subject), mail.size, mail.tls ? " TLS" : "");
}

class Sink {
 public:
  Sink(const SinkOptions& options, std::optional<MailStore> store, std::shared_ptr<net::TlsContext> tls)
      : options_(options),
        store_(std::move(store)),
        tls_(std::move(tls)),
        settings_(server_settings()),
        sessions_(loop_, net::SessionLimits{}) {}

  Result<void> listen() {
    if (auto free = net::Listener::check_free(options_.address, options_.port); !free) return free;
    auto listener = net::Listener::tcp(loop_, options_.address, options_.port,
                                       [this](int fd, const wire::PeerInfo& peer) { take(fd, peer); });
    if (!listener) return std::unexpected(listener.error());
    listener_ = std::move(*listener);
    return {};
  }
  std::uint16_t port() const { return listener_->port(); }
  void run() { loop_.run(); }
  // From any thread. A message not yet answered is its sender's still.
  void stop() {
    loop_.post([this] {
      listener_.reset();
      sessions_.for_each([this](net::SessionId id) { sessions_.close(id); });
      loop_.stop();
    });
  }

 private:
  std::shared_ptr<const wire::ServerSettings> server_settings() const {
    wire::ServerSettings settings;
    settings.host_name = options_.host_name;
    settings.offer_starttls = tls_ != nullptr;
    settings.require_auth = false;
    settings.offer_dsn = false;  // nobody is told what became of mail here
    settings.limits.message_bytes = options_.message_bytes;
    settings.limits.messages = 1'000'000'000;  // whoever measures with it counts connections himself
    return std::make_shared<const wire::ServerSettings>(std::move(settings));
  }

  void take(int fd, const wire::PeerInfo& peer) {
    sessions_.adopt({.fd = fd, .peer = peer}, std::make_unique<wire::ServerDialog>(settings_, policy_), tls_,
                    false, [this](net::SessionId id) { progress(id); });
  }

  void progress(net::SessionId id) {
    if (sessions_.over(id)) return;
    auto* dialog = static_cast<wire::ServerDialog*>(sessions_.dialog(id));
    bool answered = false;
    while (auto action = dialog->take_action()) {
      answer(*dialog, *action);
      answered = true;
    }
    if (answered) sessions_.kick(id);
  }

  void answer(wire::ServerDialog& dialog, wire::ServerAction& action) {
    if (auto* request = std::get_if<wire::SubmitRequest>(&action)) {
      dialog.on_accept_result(keep(*request), loop_.now());
    } else {  // who cares to log in may do so under any name
      const auto& auth = std::get<wire::AuthRequest>(action);
      dialog.on_auth_result({.identity = wire::Identity{.account = auth.user, .key = ""}}, loop_.now());
    }
  }

  wire::Reply keep(const wire::SubmitRequest& request) {
    Mail mail;
    if (store_) {
      auto kept = store_->add(request, loop_.wall());
      if (!kept) {
        log::error("sink: {}", kept.error().message);
        return {451, "4.3.0", {"The message could not be stored"}};
      }
      mail = std::move(*kept);
    } else {
      mail = describe(request, loop_.wall());
      mail.number = ++taken_;
    }
    if (!options_.quiet) {
      std::fputs(line_of(mail).c_str(), stdout);
      std::fflush(stdout);
    }
    return {250, "2.0.0", {fmt::format("Ok: taken as #{}", mail.number)}};
  }

  SinkOptions options_;
  std::optional<MailStore> store_;
  std::shared_ptr<net::TlsContext> tls_;
  std::shared_ptr<const wire::ServerSettings> settings_;
  TakeAll policy_;
  net::UvLoop loop_;
  net::SessionTable sessions_;
  std::unique_ptr<net::Listener> listener_;
  std::uint64_t taken_ = 0;
};

int refuse(const Error& error) {
  std::fputs(fmt::format("relayctl sink: {}\n", error.message).c_str(), stderr);
  return 1;
}

}  // namespace

int run_sink(const SinkOptions& options) {
  std::shared_ptr<net::TlsContext> tls;
  if (!options.certificate_file.empty() || !options.key_file.empty()) {
    auto certificate =
        net::CertificateStore::open({{options.certificate_file, options.key_file}}, system_wall());
    if (!certificate) return refuse(certificate.error());
    auto made = net::TlsContext::server(std::move(*certificate), "sink", system_now());
    if (!made) return refuse(made.error());
    tls = std::move(*made);
  }
  std::optional<MailStore> store;
  if (!options.store_directory.empty()) {
    auto opened = MailStore::open(options.store_directory);
    if (!opened) return refuse(opened.error());
    store = std::move(*opened);
  }
  Sink sink(options, std::move(store), std::move(tls));
  const Signals signals([&sink](int, int) { sink.stop(); });  // who sees it listen may stop it
  if (auto listening = sink.listen(); !listening) return refuse(listening.error());
  if (!options.quiet) {
    std::fputs(fmt::format("sink: listening on {}:{}\n", options.address, sink.port()).c_str(), stdout);
    std::fflush(stdout);
  }
  sink.run();
  return 0;
}

}  // namespace relay::sink
