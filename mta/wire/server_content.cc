// A message's content on its way in: DATA (RFC 5321 4.1.1.4) and BDAT (RFC 3030).
#include <fmt/format.h>

#include <algorithm>

#include "mta/wire/ascii.h"
#include "mta/wire/headers.h"
#include "mta/wire/server_impl.h"

namespace relay::wire {

using State = ServerDialog::Impl::State;

void ServerDialog::Impl::begin_content(DataDecoder::Framing framing, Instant now) {
  incoming = std::make_unique<Incoming>(Incoming{
      DataDecoder(allowed.message_bytes, framing, policy.content()), begin_pace(transaction_ends, now)});
}

ServerDialog::Impl::Pace ServerDialog::Impl::begin_pace(Instant ends, Instant now) const {
  return {.ends = ends, .grace_ends = now + limits().rate_grace, .bought = now + limits().rate_grace};
}

void ServerDialog::Impl::on_content(Pace& pace, std::size_t bytes, Instant now) {
  const bool pressed = content_pressed();
  const std::uint32_t rate =
      pressed ? std::max(limits().least_rate, limits().pressed_rate) : limits().least_rate;
  const Duration worth = Duration(std::chrono::seconds(1)) * bytes / rate;
  const Instant patience = now + (pressed ? limits().pressed_timeout : limits().data_timeout);
  pace.bought = std::min(pace.bought + worth, std::max(patience, pace.grace_ends));
  wait(now, std::min({pace.bought, patience, pace.ends}));
}

Reply ServerDialog::Impl::too_large() const {
  return {552, "5.3.4", {fmt::format("Message is larger than {} bytes", allowed.message_bytes)}};
}

Reply ServerDialog::Impl::no_room() {
  return {452, "4.3.1", {"Too much mail is coming in at once, try again later"}};
}

// So much beyond the limit that reading it to its end, only to refuse it there, would serve nobody.
bool ServerDialog::Impl::far_too_large(std::uint64_t bytes) const {
  constexpr std::uint64_t patience = 1u << 20;
  const std::uint64_t limit = std::max(allowed.message_bytes, limits().message_bytes);
  return bytes > limit && bytes - limit > std::max(limit, patience);
}

void ServerDialog::Impl::handle(Data, Instant now) {
  if (!in_transaction) return say(503, "5.5.1", "MAIL first");
  if (incoming) return say(503, "5.5.1", "The message has begun with BDAT, and goes on so");
  if (envelope.recipients.empty()) return say(554, "5.5.1", "No valid recipients");
  begin_content(DataDecoder::Framing::dots, now);
  say(354, "", "End data with <CR><LF>.<CR><LF>");
  state = State::data;
  on_content(incoming->pace, 0, now);
}

std::size_t ServerDialog::Impl::consume_data(std::string_view bytes, Instant now) {
  DataDecoder& decoder = incoming->decoder;
  std::size_t taken = decoder.feed(bytes);
  on_content(incoming->pace, taken, now);
  if (decoder.done()) {
    finish_content(now);
  } else if (far_too_large(decoder.size())) {
    close_with(552, "5.3.4", too_large().lines.front() + ", closing");
  }
  return taken;
}

std::optional<Reply> ServerDialog::Impl::wrong_with_chunk(const Bdat& command) const {
  if (!in_transaction) return Reply{503, "5.5.1", {"MAIL first"}};
  if (envelope.recipients.empty()) return Reply{554, "5.5.1", {"No valid recipients"}};
  const std::uint64_t before = incoming ? incoming->decoder.size() : 0;
  if (*command.size > allowed.message_bytes || before > allowed.message_bytes - *command.size)
    return too_large();
  return std::nullopt;
}

// A chunk that is refused is read all the same, and so is what a client has sent behind it without waiting:
// it comes when the replies are due, and is answered 503.
void ServerDialog::Impl::handle(Bdat command, Instant now) {
  if (!command.size)
    return close_with(501, "5.5.4", "Syntax: BDAT size [LAST]; closing, as the end of the data is not known");
  if (far_too_large(*command.size)) return close_with(552, "5.3.4", "Message is far too large, closing");
  chunk = std::make_unique<Chunk>(Chunk{.size = *command.size,
                                        .left = *command.size,
                                        .last = command.last,
                                        .refusal = wrong_with_chunk(command),
                                        .pace = begin_pace(now + limits().message_timeout, now)});
  if (!chunk->refusal && incoming)
    incoming->pace.resume(now);
  else if (!chunk->refusal)
    begin_content(DataDecoder::Framing::chunks, now);
  state = State::chunk;
  on_content(chunk->refusal ? chunk->pace : incoming->pace, 0, now);
  if (chunk->left == 0) finish_chunk(now);
}

std::size_t ServerDialog::Impl::consume_chunk(std::string_view bytes, Instant now) {
  const std::string_view ours = bytes.substr(0, std::min<std::uint64_t>(bytes.size(), chunk->left));
  chunk->left -= ours.size();
  if (!chunk->refusal) incoming->decoder.feed(ours);
  on_content(chunk->refusal ? chunk->pace : incoming->pace, ours.size(), now);
  if (chunk->left == 0) finish_chunk(now);
  return ours.size();
}

void ServerDialog::Impl::finish_chunk(Instant now) {
  const std::unique_ptr<Chunk> done = std::move(chunk);
  state = State::command;
  std::optional<Reply> refusal = done->refusal;
  if (!refusal && incoming->decoder.over_limit()) refusal = too_large();  // with the line ends it was given
  if (!refusal && incoming->decoder.no_room()) refusal = no_room();
  if (refusal) {
    // What has come of the message is no message any more (RFC 3030 2).
    reset_transaction();
    say(*refusal);
    return rest(now);
  }
  if (done->last) {
    incoming->decoder.finish();
    return finish_content(now);
  }
  incoming->pace.paused = now;
  say(250, "2.0.0", fmt::format("{} octets received", done->size));
  rest(now);
}

// RFC 6531 3.4. Some clients declare SMTPUTF8 whenever it is offered; a message that can do without it can
// also be delivered to a host without it.
static bool needs_smtputf8(const Envelope& envelope, const Body& content) {
  if (has_eight_bit(envelope.reverse_path)) return true;
  if (std::ranges::any_of(envelope.recipients, has_eight_bit, &Recipient::address)) return true;
  HeaderScan headers = scan_headers(content);
  return headers.eight_bit || !headers.complete;
}

std::optional<Reply> ServerDialog::Impl::wrong_with_content() const {
  const DataDecoder& decoder = incoming->decoder;
  if (decoder.over_limit()) return too_large();
  if (decoder.no_room()) return no_room();
  if (decoder.longest_line() > limits().message_line_bytes)
    return Reply{554,
                 "5.6.0",
                 {fmt::format("A line of the message is longer than {} bytes; encode it as quoted-printable "
                              "or base64",
                              limits().message_line_bytes)}};
  if (settings->bare_newlines == BareNewlines::normalise) return std::nullopt;
  if (decoder.bare())
    return Reply{554, "5.6.0", {"The message has a CR or LF that stands alone; end every line with CRLF"}};
  if (decoder.nul()) return Reply{554, "5.6.0", {"The message has a NUL in it; encode it as base64"}};
  return std::nullopt;
}

void ServerDialog::Impl::finish_content(Instant now) {
  if (const auto wrong = wrong_with_content()) {
    reset_transaction();
    state = State::command;
    say(*wrong);
    return rest(now);
  }
  envelope.eight_bit = envelope.eight_bit || incoming->decoder.eight_bit();
  std::shared_ptr<Body> content = incoming->decoder.take();
  envelope.smtputf8 = envelope.smtputf8 && needs_smtputf8(envelope, *content);
  action = SubmitRequest{.envelope = std::move(envelope),
                         .content = std::move(content),
                         .hold = hold,
                         .who = who.value_or(Identity()),
                         .helo = helo,
                         .esmtp = extended,
                         .tls = tls.has_value(),
                         .peer = peer};
  reset_transaction();
  state = State::waiting;
  wait(now, never);  // the owner always answers
}

}  // namespace relay::wire
