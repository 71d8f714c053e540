// What the API says about messages, queue and keys, as JSON text. Pure.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "mta/intake/keys.h"
#include "mta/queue/scheduler.h"
#include "relay-api/api.h"
#include "spool/types.h"

namespace relay::api {

enum class Reader { application, administrator };  // the latter also sees account, key, origin and envelope

std::string json_accepted(const MessageId& id);
std::string json_message(const spool::MessageView& view, Reader reader);
std::string json_message_list(const std::vector<spool::MessageView>& views, bool more, Reader reader);
std::string json_why(const spool::MessageView& view, WallTime now);
std::string json_queue(const std::vector<spool::QueueRow>& rows, bool more);
std::string json_control(const queue::ControlResult& result);
std::string json_stats(const spool::Counts& counts, const queue::SchedulerStats& stats);
std::string json_spool(const std::string& directory);
// About the relay itself: what it is, how its storage fares, and the queue.
struct StoreStatus {
  spool::WriterStats writer;
  spool::Counts counts;
  spool::Space space;
  spool::Claimed claimed;  // at the start
};
using TlsStatus = net::CertificateStore::Status;
std::string json_status(const About& about, WallTime now, const StoreStatus& store,
                        const queue::SchedulerStats& queue, const std::optional<TlsStatus>& tls);
std::string json_tls(const TlsStatus& tls);
std::string json_lockouts(const std::vector<intake::Lockout>& lockouts);
std::string json_keys(const std::vector<spool::ApiKey>& keys);
std::string json_key(const intake::KnownKey& known, WallTime now);      // with what it has sent today
std::string json_created_key(const intake::KeyRing::Created& created);  // holds the secret: shown once

}  // namespace relay::api
