#include "mta/wire/client_auth.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "mta/wire/sasl.h"

namespace relay::wire {
namespace {

// RFC 4954 4: a command that would be longer goes without its initial response.
constexpr std::size_t command_line_bytes = 512;
// A shorter secret may stand in any text by chance.
constexpr std::size_t shortest_told_apart = 4;

Secret line(std::string_view before, const Secret& base64) {
  std::string text;
  // At once, so that growing leaves no copy; and not within the string itself, where moving would.
  text.reserve(before.size() + base64.reveal().size() + 64);
  text += before;
  text += base64.reveal();
  text += "\r\n";
  return Secret(std::move(text));
}

bool has(std::string_view text, std::string_view secret) {
  return secret.size() >= shortest_told_apart && text.find(secret) != std::string_view::npos;
}

}  // namespace

std::optional<ClientAuth::Mechanism> SaslClient::choose(const ClientAuth& auth, const Extensions& offered) {
  const auto usable = [&](Mechanism m) {
    return m == Mechanism::plain ? offered.auth_plain : offered.auth_login;
  };
  const auto found = std::ranges::find_if(auth.mechanisms, usable);
  if (found == auth.mechanisms.end()) return std::nullopt;
  return *found;
}

SaslClient::SaslClient(std::shared_ptr<const ClientAuth> auth, Mechanism mechanism)
    : auth_(std::move(auth)), mechanism_(mechanism) {
  constexpr std::size_t around = std::string_view("AUTH PLAIN \r\n").size();
  with_initial_ = mechanism_ == Mechanism::plain && around + initial().reveal().size() <= command_line_bytes;
}

Secret SaslClient::initial() const {
  std::string message;
  message.reserve(auth_->user.size() + auth_->password.reveal().size() + 64);
  message += '\0';  // no authorization identity: the user's own
  message += auth_->user;
  message += '\0';
  message += auth_->password.reveal();
  const Secret plain(std::move(message));
  return encode_base64(plain.reveal());
}

Secret SaslClient::command() {
  if (mechanism_ == Mechanism::login) return Secret("AUTH LOGIN\r\n");
  return with_initial_ ? line("AUTH PLAIN ", initial()) : Secret("AUTH PLAIN\r\n");
}

std::optional<Secret> SaslClient::respond() {
  const std::size_t number = answered_++;
  if (mechanism_ == Mechanism::plain) {
    if (with_initial_ || number > 0) return std::nullopt;
    return line("", initial());
  }
  if (number == 0) return line("", encode_base64(auth_->user));
  if (number == 1) return line("", encode_base64(auth_->password.reveal()));
  return std::nullopt;
}

Reply SaslClient::hide(Reply reply) const {
  const std::array secrets{auth_->password, encode_base64(auth_->password.reveal()), initial()};
  for (std::string& text : reply.lines)
    if (std::ranges::any_of(secrets, [&](const Secret& s) { return has(text, s.reveal()); }))
      text = "(not shown: it repeats the credentials)";
  return reply;
}

}  // namespace relay::wire
