// A whole session of ClientDialog against a host that says any bytes at any time, with handshakes, deadlines
// and lost connections; the owner starts transactions whenever it may.
#include "mta/wire/client_dialog.h"

#include <set>

#include "tests/fuzz/input.h"

using namespace relay;
using namespace relay::wire;

namespace {

constexpr std::string_view password = "pass-word";
constexpr std::string_view encoded = "AHVzZXIAcGFzcy13b3Jk";  // NUL user NUL pass-word
constexpr std::size_t recipients = 3;

class Owner {
 public:
  Owner(std::uint8_t choice, std::uint8_t more)
      : choice_(choice), settings_(settings(choice, more)), dialog_(settings_, now_) {}

  void play(fuzz::Input& input) {
    const TlsInfo tls{"TLSv1.3", "test", (choice_ & 1) != 0 ? TlsVerified::name : TlsVerified::no};
    if (settings_.tls.implicit) tls_ = true;
    dialog_.on_open({"192.0.2.1", 25}, settings_.tls.implicit ? &tls : nullptr, now_);
    after();
    while (!input.empty() && dialog_.wants() != Want::close) {
      const std::uint8_t step = input.byte();
      now_ += std::chrono::seconds(step % 4);
      if (dialog_.wants() == Want::tls_handshake) {
        if (step >= 240) {
          dialog_.on_closed({Closed::Why::tls_failed, "failed", TlsProblem::certificate_expired}, now_);
        } else {
          dialog_.on_bytes(input.take(step % 16), now_);  // injected before the handshake: of no effect
          tls_ = true;
          dialog_.on_tls(tls, now_);
        }
      } else if (step >= 252) {
        dialog_.on_closed({Closed::Why::reset, "reset"}, now_);
      } else if (step >= 250) {
        if (dialog_.deadline() != never) now_ = std::max(now_, dialog_.deadline());
        dialog_.on_timeout(now_);
      } else if (step >= 246) {
        dialog_.on_sent(now_);
      } else {
        dialog_.on_bytes(input.take(step), now_);
      }
      after();
    }
    dialog_.on_closed({Closed::Why::end_of_file, ""}, now_);
    after();
    fuzz::promise(dialog_.wants() == Want::close && dialog_.finished() && dialog_.deadline() == never);
    fuzz::promise(!under_way_);
    if (const auto& failure = dialog_.session_failure()) check(*failure);
  }

 private:
  static ClientSettings settings(std::uint8_t choice, std::uint8_t more) {
    ClientSettings s;
    s.ehlo_name = "me.test";
    s.tls.level = static_cast<TlsLevel>(choice % 5);
    s.tls.implicit = (choice & 32) != 0 && s.tls.level != TlsLevel::none;
    s.helo_only = (more & 8) != 0;
    if ((choice & 64) != 0) s.chunking = Chunking::when_offered;
    if ((choice & 128) != 0) {
      auto auth = std::make_shared<ClientAuth>();
      auth->user = "user";
      auth->password = Secret(std::string(password));
      if ((more & 1) != 0) auth->mechanisms = {ClientAuth::Mechanism::login};
      auth->in_clear = (more & 2) != 0;
      s.auth = auth;
    }
    s.reply_bytes = 400;
    s.reply_lines = 10;
    s.content_block_bytes = 20;
    return s;
  }

  void after() {
    if (auto result = dialog_.take_result()) take(*result);
    listen();
    if (dialog_.ready() && !under_way_) start();
    listen();
    fuzz::promise(dialog_.wants() != Want::close || dialog_.deadline() == never);
    fuzz::promise(dialog_.wants() != Want::close || dialog_.finished());
    if (auto result = dialog_.take_result()) take(*result);
  }

  void start() {
    // Nothing of a message in clear, or to somebody unproved, where that was forbidden.
    fuzz::promise(!settings_.tls.demands_tls() || dialog_.tls().has_value());
    if (++started_ > 3) return dialog_.quit(now_);
    Transaction t;
    t.reverse_path = "s@test";
    for (std::size_t i = 0; i < recipients; ++i)
      t.recipients.push_back({"r@test", notify_success, "rfc822;a@b"});
    t.id = "id";
    t.body = std::make_shared<const Body>("Subject: x\r\n\r\n.dot\n\rbare\r\n..\r\nRSET\r\n0123456789");
    t.require_tls = started_ == 2 && (choice_ & 16) != 0;
    t.before_end = [this](std::span<const std::size_t> whom) {
      fuzz::promise(!told_ && !whom.empty());
      told_ = true;
      undecided_ = {whom.begin(), whom.end()};
    };
    under_way_ = true;
    told_ = false;
    undecided_.clear();
    dialog_.start(std::move(t), now_);
  }

  void take(const TransactionResult& result) {
    fuzz::promise(std::exchange(under_way_, false));
    fuzz::promise(result.recipients.size() == recipients);
    for (std::size_t i = 0; i < recipients; ++i) {
      const Fact& fact = result.recipients[i];
      check(fact);
      // Delivered, or in doubt, are only those for whom the owner was told that the end goes out.
      if (fact.stage == Stage::final_dot) fuzz::promise(told_ && undecided_.contains(i));
    }
  }

  void check(const Fact& fact) {
    fuzz::promise(!phrase(fact.stage).empty());
    if (const auto* reply = std::get_if<Reply>(&fact.answer)) {
      // What a host repeats of credentials does not come out, at the stage at which it has just heard them.
      if (fact.stage == Stage::auth && settings_.auth)
        fuzz::promise(reply->text().find(password) == std::string::npos);
    } else if (const auto* closed = std::get_if<Closed>(&fact.answer)) {
      if (fact.stage == Stage::auth && settings_.auth)
        fuzz::promise(closed->detail.find(password) == std::string::npos);
    }
  }

  // What goes to the host.
  void listen() {
    const std::string sent = dialog_.output().take_text();
    const bool clear = !tls_;
    if (clear && settings_.tls.demands_tls())
      fuzz::promise(sent.find("MAIL ") == std::string::npos && sent.find("AUTH ") == std::string::npos &&
                    sent.find("Subject") == std::string::npos);
    if (clear && !(settings_.auth && settings_.auth->in_clear))
      fuzz::promise(sent.find(encoded) == std::string::npos);
    for (std::size_t i = 0; i < sent.size(); ++i) {
      if (sent[i] == '\n') fuzz::promise((i > 0 ? sent[i - 1] : last_) == '\r');
      if (i > 0 && sent[i - 1] == '\r') fuzz::promise(sent[i] == '\n');
    }
    if (!sent.empty()) last_ = sent.back();
  }

  std::uint8_t choice_;
  Instant now_{};
  ClientSettings settings_;
  ClientDialog dialog_;
  bool tls_ = false, under_way_ = false, told_ = false;
  int started_ = 0;
  char last_ = 0;
  std::set<std::size_t> undecided_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t choice = input.byte(), more = input.byte();
  Owner owner(choice, more);
  owner.play(input);
  return 0;
}
