// ClientDialog: the client's side of SMTP, for delivery. Pure; see dialog.h.
//
// States: connecting -> greeting -> ehlo -> [starttls -> ehlo] -> [auth] -> idle <-> (mail/rcpt/data,
// pipelined if offered -> content -> final reply [-> rset]) -> quit -> closed. It reports facts, one per
// recipient: the stage reached and the reply, or how the connection ended. What a fact means (delivered,
// deferred, failed, in doubt) is decided in queue/trouble alone. Content is sent dot-stuffed after DATA (RFC
// 5321 4.5.2) or by BDAT (RFC 3030), from the shared Body without copying it. Each stage has its row in a
// table of stage, timeout and human phrase ("sending RCPT TO").
//
// TLS is as strict as ClientSettings::tls says, for which the dialer reads tls_policy(): where TLS is
// demanded nothing but EHLO, STARTTLS and QUIT is said in clear, and after a handshake whose certificate does
// not do nothing at all. Credentials go out under TLS only, unless the settings say otherwise.
//
// The owner's loop after every event, and after start(): take_result() if there is one; then, if finished(),
// forget the session; if ready(), start() or quit(); else wait. After a result the dialog may be neither (a
// refused transaction is taken back by RSET first). When the session ended with session_failure() at starttls
// or handshake and TLS is only opportunistic, the owner may dial the host again with TlsLevel::none; a host
// that refuses STARTTLS with a reply is gone on with in clear without that. When it ended as may_know_helo()
// says, the owner may dial once more with helo_only. Whatever comes while nothing is owed, and replies that
// are none, end the session: the stream is out of step.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mta/base/secret.h"
#include "mta/wire/dialog.h"
#include "mta/wire/envelope.h"
#include "mta/wire/tls_policy.h"

namespace relay::wire {

enum class Stage {
  connect,
  greeting,
  ehlo,
  helo,
  starttls,
  handshake,
  auth,
  mail,
  rcpt,
  data,
  content,
  final_dot,
  rset,
  quit
};
std::string_view phrase(Stage stage);  // "sending RCPT TO"

struct ClientTimeouts {  // RFC 5321 4.5.3.2: shorter ones break slow hosts; a shorter final_dot makes
                         // duplicates
  Duration connect = std::chrono::seconds(30);
  Duration greeting = std::chrono::minutes(5);
  Duration ehlo = std::chrono::minutes(5);
  Duration starttls = std::chrono::minutes(2);
  Duration auth = std::chrono::minutes(2);  // each step: hosts ask directories, and delay what they refuse
  Duration mail = std::chrono::minutes(5);
  Duration rcpt = std::chrono::minutes(5);
  Duration data = std::chrono::minutes(2);
  Duration content = std::chrono::minutes(3);  // each block written
  Duration final_dot = std::chrono::minutes(10);
  Duration rset = std::chrono::seconds(20);
  Duration quit = std::chrono::seconds(5);
};

// What this relay proves itself to a smart host with.
struct ClientAuth {
  enum class Mechanism : std::uint8_t { plain, login };
  std::string user;
  Secret password;
  std::vector<Mechanism> mechanisms = {Mechanism::plain, Mechanism::login};  // the first offered is used
  bool in_clear = false;  // also without TLS: for hosts within one's own walls
};

// When content goes by BDAT (RFC 3030) instead of DATA.
enum class Chunking : std::uint8_t { never, when_offered };

struct ClientSettings {
  std::string ehlo_name;
  TlsPolicy tls;
  std::shared_ptr<const ClientAuth> auth = {};  // null: none
  bool helo_only = false;  // HELO at once, without extensions: for hosts that hang up at EHLO
  // BDAT waits for the replies to RCPT: sent along with them it would save a round trip, but where no
  // recipient is accepted a host that does not read the chunk away, as RFC 3030 2 bids it, takes content for
  // commands; and whenever the session is lost early every recipient would be in doubt. So beside pipelined
  // DATA it saves no round trip, and of CPU a fifteenth of what content takes (bare CR and LF are looked for
  // either way); of large MTAs some never send it. It is of use with hosts that damage what DATA carries.
  Chunking chunking = Chunking::never;
  std::size_t reply_bytes = std::size_t{64}
                            << 10;  // a whole multi-line reply; more is treated as a broken connection
  std::uint32_t reply_lines = 500;  // the same
  std::size_t content_block_bytes = std::size_t{256}
                                    << 10;  // of content in output() at once; on_sent() asks for more
  ClientTimeouts timeouts;
};

// One MAIL transaction: some recipients of one message that share a destination.
struct Transaction {
  std::string reverse_path;
  std::vector<Recipient> recipients;  // results come in this order
  bool smtputf8 = false;              // as declared; what turns out to be ASCII goes without
  bool eight_bit = false;
  // RFC 8689: only to a host that offers REQUIRETLS, under TLS with a verified certificate.
  bool require_tls = false;
  DsnReturn ret = DsnReturn::unsaid;  // these two, and what recipients say of DSNs: to hosts that offer DSN
  std::string id = {};                // ENVID
  BodyPtr body;
  // Called once, just before the final dot or the last chunk becomes output, with the indices of the
  // recipients it is for: from then on the host may have the message. Must not call the dialog.
  std::move_only_function<void(std::span<const std::size_t>)> before_end = {};
};

// What the host, or the connection, said last about this recipient.
struct TimedOut {};
// The host lacks an extension that the message or the session needs; nothing was sent for this message.
struct Unsupported {
  std::string extension;    // "SMTPUTF8", "SIZE" (the message is larger than offered), "STARTTLS",
                            // "REQUIRETLS", "AUTH"
  std::string detail = {};  // what there is instead, for the log: "454 4.7.0 no certificate"
};
using Answer = std::variant<Reply, Closed, TimedOut, Unsupported>;
struct Fact {
  Stage stage = Stage::connect;
  Answer answer;
};
struct TransactionResult {
  std::vector<Fact> recipients;  // one each, in order
  bool tls = false;
  // The host offers DSN: notifications of success are its business now. Else whoever asked for one is to get
  // a "relayed" DSN for each delivered recipient (RFC 3461 5.2.2).
  bool dsn = false;
};

// Whether the session ended as with hosts, and firewalls before them, that hang up at EHLO but know HELO.
bool may_know_helo(const ClientSettings& settings, const Fact& failure, bool tls);
// What a failed session is in reports of TLS (RFC 8460 4.3); nothing if it did not fail because of TLS.
std::optional<TlsProblem> tls_problem(const Fact& failure);

class ClientDialog final : public Dialog {
 public:
  ClientDialog(ClientSettings settings, Instant now);  // connecting starts now: deadline() covers it
  ~ClientDialog() override;

  void on_open(const PeerInfo& peer, const TlsInfo* tls, Instant now) override;
  void on_tls(const TlsInfo& tls, Instant now) override;
  void on_bytes(std::string_view bytes, Instant now) override;
  void on_timeout(Instant now) override;
  void on_closed(const Closed& why, Instant now) override;
  void on_sent(Instant now) override;  // so that content is timed per block, not as a whole
  Output& output() override;
  Want wants() const override;
  Instant deadline() const override;

  bool ready() const;     // greeting and EHLO are done and no transaction is under way
  bool finished() const;  // closed, or will be as soon as output is sent: no further transaction
  void start(Transaction transaction, Instant now);  // only when ready()
  // Once after each start(), whatever happens; at once if nothing had to be sent (Unsupported).
  std::optional<TransactionResult> take_result();
  // Why the session ended before it was ready (refused, no greeting, EHLO refused, TLS required and
  // missing...).
  const std::optional<Fact>& session_failure() const;
  void quit(Instant now);  // when ready(): QUIT, then close
  const std::optional<TlsInfo>& tls() const;
  const TlsPolicy& tls_policy() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace relay::wire
