// Limits of the HTTP API, with their reasons.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace relay::api {

struct ApiSettings {
  std::string host_name;                       // in made-up Message-IDs
  std::string spool_directory = {};            // told to relayctl, which reads it itself for some commands
  std::uint32_t recipients_per_field = 1000;   // of to, cc, bcc, reply_to; more is a mailing list's work
  std::uint64_t attachment_bytes = 25u << 20;  // decoded, in all: what large mailbox providers still take
  std::uint32_t attachments = 100;             // a message; each costs a MIME part
  std::uint32_t headers = 100;                 // a message; receivers refuse header sections that grow on
  std::uint32_t header_value_bytes = 8192;     // one; the same
  std::uint32_t subject_bytes = 2000;          // far over what any client shows
  std::uint32_t tags = 50;                     // a message; they are for grouping, not for storage
  std::uint32_t tag_bytes = 128;               // one; the same
  std::uint32_t page = 50;                     // entries of a list that asks for no number
  std::uint32_t page_most = 500;               // entries of a list at most: bounds one read of the store
  // Who may read the metrics by HTTP; the Unix socket always may. Addresses, networks, or "loopback".
  std::vector<std::string> metrics_from{"loopback"};
  std::uint32_t retry_after_seconds = 30;  // said with 503: a full spool seldom empties sooner
};

}  // namespace relay::api
