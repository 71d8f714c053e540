// A whole session of ServerDialog: reads of any bytes at any time, handshakes, deadlines, an owner that says
// yes, no or later.
#include "mta/wire/server_dialog.h"

#include "tests/fuzz/input.h"

using namespace relay;
using namespace relay::wire;

namespace {

class Owner final : public ServerPolicy {
 public:
  explicit Owner(std::uint8_t choice) : choice_(choice), dialog_(settings(choice), *this) {}

  void play(fuzz::Input& input) {
    const TlsInfo tls{"TLSv1.3", "test"};
    dialog_.on_open({"192.0.2.1", 4000}, (choice_ & 1) != 0 ? &tls : nullptr, now_);
    after();
    while (!input.empty()) {
      const std::uint8_t step = input.byte();
      now_ += std::chrono::seconds(step % 8);
      switch (dialog_.wants()) {
        case Want::close: return;
        case Want::tls_handshake: handshake(step); break;
        case Want::hold: hold(step); break;
        case Want::bytes:
          if (step >= 250) {
            time_out();
          } else {
            dialog_.on_bytes(input.take(step), now_);
          }
      }
      after();
      pressed_ = step % 32 == 7;
      if (step == 249) dialog_.shut_down(now_), after();
    }
    dialog_.on_closed({Closed::Why::end_of_file, ""}, now_);
    fuzz::promise(dialog_.wants() == Want::close);
  }

  bool pressed() const override { return pressed_; }
  Allowance allowance(const Identity* who, const ServerLimits& limits) override {
    Allowance allowance{limits.message_bytes, limits.recipients};
    if (who != nullptr) allowance.release = {std::chrono::hours(1), WallTime(std::chrono::hours(500'000))};
    return allowance;
  }
  std::optional<Reply> on_rcpt(const Identity*, const Envelope& so_far, const std::string& address) override {
    fuzz::promise(so_far.recipients.size() < 3);
    if (address.starts_with("no")) return Reply{550, "5.1.1", {"No"}};
    return std::nullopt;
  }

 private:
  static std::shared_ptr<const ServerSettings> settings(std::uint8_t choice) {
    ServerSettings settings;
    settings.host_name = "mx.test";
    settings.require_auth = (choice & 2) != 0;
    settings.require_tls = (choice & 4) != 0;
    settings.offer_dsn = (choice & 8) != 0;
    if ((choice & 16) != 0) settings.bare_newlines = BareNewlines::refuse;
    settings.limits.message_bytes = 200;
    settings.limits.message_line_bytes = 50;
    settings.limits.command_line_bytes = 120;
    settings.limits.auth_line_bytes = 150;
    settings.limits.recipients = 3;
    settings.limits.messages = 4;
    return std::make_shared<const ServerSettings>(settings);
  }

  void handshake(std::uint8_t step) {
    if (step < 200) return dialog_.on_tls({"TLSv1.3", "test"}, now_);
    dialog_.on_closed({Closed::Why::tls_failed, ""}, now_);
  }
  void time_out() {
    if (dialog_.deadline() == never) return;
    now_ = std::max(now_, dialog_.deadline());
    dialog_.on_timeout(now_);
  }
  void hold(std::uint8_t step) {
    if (!asked_) return time_out();  // a refusal that waits
    const ServerAction action = std::move(*asked_);
    asked_.reset();
    if (std::holds_alternative<AuthRequest>(action)) {
      AuthResult result;
      if (step % 3 == 0) result.identity = Identity{"acc", "key"};
      result.temporary = step % 3 == 1;
      return dialog_.on_auth_result(result, now_);
    }
    const Reply yes{250, "2.0.0", {"Ok"}}, no{554, "5.7.1", {"No"}}, later{452, "4.3.1", {"Later"}};
    dialog_.on_accept_result(step % 3 == 0 ? yes : step % 3 == 1 ? no : later, now_);
  }

  void after() {
    if (auto action = dialog_.take_action()) {
      fuzz::promise(!asked_ && dialog_.wants() == Want::hold);
      if (const auto* mail = std::get_if<SubmitRequest>(&*action)) check(*mail);
      asked_ = std::move(action);
    }
    fuzz::promise(!dialog_.take_action());
    check_replies(dialog_.output().take_text());
    fuzz::promise(dialog_.wants() != Want::close || dialog_.deadline() == never);
  }

  static void check(const SubmitRequest& mail) {
    fuzz::promise(!mail.envelope.recipients.empty() && mail.envelope.recipients.size() <= 3);
    const std::string content = mail.content->flatten();
    fuzz::promise(content.size() <= 200 && (content.empty() || content.ends_with("\r\n")));
    for (std::size_t i = 0; i < content.size(); ++i) {
      if (content[i] == '\n') fuzz::promise(i > 0 && content[i - 1] == '\r');
      if (content[i] == '\r') fuzz::promise(i + 1 < content.size() && content[i + 1] == '\n');
    }
  }

  // RFC 5321 4.2: code, blank or hyphen, printable text, CRLF.
  static void check_replies(std::string_view text) {
    while (!text.empty()) {
      const std::size_t end = text.find("\r\n");
      fuzz::promise(end != std::string_view::npos && end >= 4);
      const std::string_view line = text.substr(0, end);
      fuzz::promise(line[0] >= '2' && line[0] <= '5' && (line[3] == ' ' || line[3] == '-'));
      for (const char c : line) fuzz::promise(c >= ' ' && c <= '~');
      text.remove_prefix(end + 2);
    }
  }

  std::uint8_t choice_;
  ServerDialog dialog_;
  Instant now_{};
  bool pressed_ = false;
  std::optional<ServerAction> asked_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  Owner owner(input.byte());
  owner.play(input);
  return 0;
}
