// What the sink has taken, as files: NNNNNN.eml, the message byte for byte, and NNNNNN.json, its envelope.
//
// Each file appears whole (written under another name, then renamed), the envelope last: a number with an
// envelope is complete. Any process may read while one sink writes. Numbers grow and go on after a restart.
// Not synced to disk: the sink is no mail store. Not thread-safe.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "mta/base/clock.h"
#include "mta/base/result.h"
#include "mta/wire/server_dialog.h"

namespace relay::sink {

struct Mail {
  std::uint64_t number = 0;
  WallTime received;
  std::string from;  // reverse-path; empty is the null one
  std::vector<std::string> recipients;
  std::string subject;  // the field's text as it was sent, unfolded, not decoded
  std::uint64_t size = 0;
  std::string helo;
  std::string peer;  // "127.0.0.1:40102"
  bool tls = false;
  bool smtputf8 = false;
  bool eight_bit = false;
};

class MailStore {
 public:
  // Makes the directory if it is missing, and finds the next number.
  static Result<MailStore> open(const std::string& directory);
  Result<Mail> add(const wire::SubmitRequest& request, WallTime at);

 private:
  MailStore(std::string directory, std::uint64_t next) : directory_(std::move(directory)), next_(next) {}
  std::string directory_;
  std::uint64_t next_ = 1;
};

// Ascending by number. Files that are not the sink's are passed over.
Result<std::vector<Mail>> list(const std::string& directory);
Result<Mail> find(const std::string& directory, std::uint64_t number);  // not_found if it is not there
Result<std::string> content(const std::string& directory, std::uint64_t number);  // byte for byte

// Without a store: what add() would have said.
Mail describe(const wire::SubmitRequest& request, WallTime at);

}  // namespace relay::sink
