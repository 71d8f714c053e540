#include "spool/types.h"

namespace relay::spool {

std::string_view text(Status status) {
  switch (status) {
    case Status::queued: return "queued";
    case Status::held: return "held";
    case Status::delivered: return "delivered";
    case Status::failed: return "failed";
    case Status::cancelled: return "cancelled";
  }
  return "unknown";
}

std::string_view text(Stream stream) { return stream == Stream::bulk ? "bulk" : "transactional"; }

std::string_view text(EventType type) {
  switch (type) {
    case EventType::queued: return "queued";
    case EventType::delivered: return "delivered";
    case EventType::deferred: return "deferred";
    case EventType::failed: return "failed";
    case EventType::held: return "held";
    case EventType::released: return "released";
    case EventType::cancelled: return "cancelled";
    case EventType::retried: return "retried";
  }
  return "unknown";
}

std::string_view text(SenderCheck check) {
  switch (check) {
    case SenderCheck::both: return "both";
    case SenderCheck::envelope: return "envelope";
    case SenderCheck::header: return "header";
  }
  return "unknown";
}

const Message* new_message(const Operation& operation) {
  if (const auto* accept = std::get_if<Accept>(&operation)) return accept->message.get();
  if (const auto* restore = std::get_if<Restore>(&operation)) return restore->message.get();
  return nullptr;
}

}  // namespace relay::spool
