#include "mta/intake/inbound.h"

#include <algorithm>

#include "mta/base/log.h"
#include "mta/mime/decode.h"
#include "mta/wire/headers.h"

namespace relay::intake {

bool Inbound::takes(std::string_view address) const {
  return std::ranges::find(settings_.domains, wire::domain_of(address)) != settings_.domains.end();
}

wire::Reply Inbound::take(const wire::SubmitRequest& request) {
  constexpr std::size_t shown = 100;
  const wire::HeaderScan headers = wire::scan_headers(*request.content);
  messages_.fetch_add(1, std::memory_order_relaxed);
  bytes_.fetch_add(request.content->size(), std::memory_order_relaxed);
  const auto& recipients = request.envelope.recipients;
  log::info("inbound from={} to={} recipients={} peer={} tls={} size={} subject={} message-id={}",
            log::printable(request.envelope.reverse_path),
            log::printable(recipients.empty() ? "" : recipients.front().address), recipients.size(),
            request.peer.address, request.tls, request.content->size(),
            log::printable(mime::decode_value(headers.subject, shown)), log::printable(headers.message_id));
  return {250, "2.0.0", {"Ok"}};
}

InboundStats Inbound::stats() const {
  return {messages_.load(std::memory_order_relaxed), bytes_.load(std::memory_order_relaxed),
          refused_.load(std::memory_order_relaxed)};
}

std::optional<wire::Reply> InboundPolicy::on_rcpt(const wire::Identity*, const wire::Envelope&,
                                                  const std::string& address) {
  if (inbound_.takes(address)) return std::nullopt;
  inbound_.refuse();
  return wire::Reply{
      550,
      "5.7.1",
      {"This host takes bounces for its own senders only, and relays no mail; to send mail use the "
       "submission port"}};
}

}  // namespace relay::intake
