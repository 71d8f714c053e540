// Model: what the spool has in it after a sequence of operations, by spool/FORMAT.md's table of legal states;
// and the comparison with what a Store really has. One thread.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "mta/base/rng.h"
#include "spool/store.h"
#include "spool/types.h"

namespace relay::crash {

// An operation of the workload, small enough to be kept for comparison. Messages have numbers, from 1 on; a
// message's id and content follow from its number.
struct Step {
  enum class Kind : std::uint8_t { accept, attempted, set_status, put_key, purge };
  Kind kind = Kind::accept;
  bool waits = true;          // somebody waits for it
  bool pause = false;         // everything before it is to be complete first
  std::uint32_t message = 0;  // purge: forget those before; put_key: the key
  std::uint32_t recipient = 0;
  std::uint32_t recipients = 0;  // accept
  std::uint32_t size = 0;        // accept
  spool::EventType event = spool::EventType::queued;
  spool::Status status = spool::Status::queued;
};

spool::Operation operation(const Step& step);
std::string describe(const Step& step);

class Model {
 public:
  void apply(const Step& step);

  // What differs, in a sentence; nothing if the store is exactly so. Reads every message with its content.
  std::optional<std::string> difference(spool::Store& store) const;
  // Whether the store can be so, told from its counts alone.
  struct Size {
    std::uint64_t messages = 0, open = 0, events = 0, keys = 0, sent = 0;
    friend bool operator==(const Size&, const Size&) = default;
  };
  Size size() const;
  static Result<Size> size_of(spool::Store& store);

  // A step that fits: mostly of what a busy relay does, now and then stale.
  Step propose(Rng& rng);
  std::size_t messages() const { return mails_.size(); }

 private:
  struct Recipient {
    spool::Status status = spool::Status::queued;
    std::uint32_t attempts = 0;
    std::vector<spool::EventType> events;
  };
  struct Mail {
    std::uint32_t size = 0;
    std::vector<Recipient> recipients;
    bool open() const;
  };
  void change(const Step& step);
  std::optional<std::string> difference(const Mail& mail, std::uint32_t number, spool::Store& store) const;
  std::optional<std::string> difference_by_key(std::uint32_t number, spool::Store& store) const;
  Step propose_accept(Rng& rng);
  Step propose_change(Rng& rng) const;

  std::map<std::uint32_t, Mail> mails_;
  std::set<std::uint32_t> keys_;
  std::uint64_t sent_ = 0;  // messages that count against a daily limit
  std::map<spool::IdempotencyKey, std::uint32_t> by_key_;
  std::uint32_t last_message_ = 0;
  std::uint32_t last_key_ = 0;
  std::uint32_t purged_before_ = 0;
};

}  // namespace relay::crash
