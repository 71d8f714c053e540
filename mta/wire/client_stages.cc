#include "mta/wire/client_stages.h"

#include <array>

#include "mta/base/result.h"

namespace relay::wire {
namespace {

struct Row {
  Stage stage;
  Duration ClientTimeouts::* timeout;
  std::string_view phrase;  // after "while"
};

using T = ClientTimeouts;
constexpr std::array rows{
    Row{Stage::connect, &T::connect, "connecting"},
    Row{Stage::greeting, &T::greeting, "waiting for the greeting"},
    Row{Stage::ehlo, &T::ehlo, "sending EHLO"},
    Row{Stage::helo, &T::ehlo, "sending HELO"},
    Row{Stage::starttls, &T::starttls, "sending STARTTLS"},
    Row{Stage::handshake, &T::starttls, "negotiating TLS"},
    Row{Stage::auth, &T::auth, "authenticating"},
    Row{Stage::mail, &T::mail, "sending MAIL FROM"},
    Row{Stage::rcpt, &T::rcpt, "sending RCPT TO"},
    Row{Stage::data, &T::data, "sending DATA"},
    Row{Stage::content, &T::content, "sending the message"},
    Row{Stage::final_dot, &T::final_dot, "waiting for the reply to the end of the message"},
    Row{Stage::rset, &T::rset, "sending RSET"},
    Row{Stage::quit, &T::quit, "sending QUIT"},
};

const Row& row(Stage stage) {
  for (const Row& r : rows)
    if (r.stage == stage) return r;
  assertion_failed("every stage has a row", __FILE__, __LINE__);
}

}  // namespace

std::string_view phrase(Stage stage) { return row(stage).phrase; }

Duration timeout_of(Stage stage, const ClientTimeouts& timeouts) { return timeouts.*row(stage).timeout; }

}  // namespace relay::wire
