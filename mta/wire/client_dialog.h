// ClientDialog: the client's side of SMTP, for delivery. Pure; see dialog.h.
//
// States: connecting -> greeting -> ehlo -> [starttls -> ehlo] -> idle <-> (mail/rcpt/data, pipelined if
// offered -> content -> final reply [-> rset]) -> quit -> closed. It reports facts, one per recipient: the
// stage reached and the reply, or how the connection ended. What a fact means (delivered, deferred, failed,
// in doubt) is decided in queue/trouble alone. Content is sent dot-stuffed (RFC 5321 4.5.2) from the shared
// Body without copying it. Each stage has its row in a table of stage, timeout and human phrase ("sending
// RCPT TO").
//
// The owner's loop after every event, and after start(): take_result() if there is one; then, if finished(),
// forget the session; if ready(), start() or quit(); else wait. After a result the dialog may be neither (a
// refused transaction is taken back by RSET first). When the session ended with session_failure() at starttls
// or handshake and TLS is only opportunistic, the owner may dial the host again with Tls::none; a host that
// refuses STARTTLS with a reply is gone on with in clear without that. Whatever comes while nothing is owed,
// and replies that are none, end the session: the stream is out of step.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mta/wire/dialog.h"
#include "mta/wire/envelope.h"

namespace relay::wire {

enum class Stage {
  connect,
  greeting,
  ehlo,
  helo,
  starttls,
  handshake,
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
  Duration mail = std::chrono::minutes(5);
  Duration rcpt = std::chrono::minutes(5);
  Duration data = std::chrono::minutes(2);
  Duration content = std::chrono::minutes(3);  // each block written
  Duration final_dot = std::chrono::minutes(10);
  Duration rset = std::chrono::seconds(20);
  Duration quit = std::chrono::seconds(5);
};

struct ClientSettings {
  std::string ehlo_name;
  enum class Tls { none, opportunistic, required } tls = Tls::opportunistic;
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
  std::vector<std::string> recipients;  // results come in this order
  bool smtputf8 = false;
  bool eight_bit = false;
  BodyPtr body;
  // Called once, just before the final dot becomes output, with the indices of the recipients it is for: from
  // then on the host may have the message. Must not call the dialog.
  std::move_only_function<void(std::span<const std::size_t>)> before_end = {};
};

// What the host, or the connection, said last about this recipient.
struct TimedOut {};
struct Unsupported {      // the host lacks an extension the message needs; nothing was sent for this message
  std::string extension;  // "SMTPUTF8", "SIZE" (the message is larger than offered), "STARTTLS"
};
using Answer = std::variant<Reply, Closed, TimedOut, Unsupported>;
struct Fact {
  Stage stage = Stage::connect;
  Answer answer;
};
struct TransactionResult {
  std::vector<Fact> recipients;  // one each, in order
  bool tls = false;
};

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

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace relay::wire
