// Bodies: the content of messages that this loop holds in memory, and the bound on it.
//
// Content is here for two reasons. Of fresh mail it is kept for the first attempt, so that what is delivered
// at once is written and never read. And connections use it: kept content, or content that is loaded for
// them, for which room is reserved first. Recipients of one message share one content, whatever sites they
// are of.
//
// The bound counts all of it, envelopes included. Kept content that nobody uses gives way: what will be
// needed last goes first, judged by how many recipients stood before it when it came (in powers of two; of
// equals the youngest); fresh mail that would be needed later than all that is kept is not kept at all. It is
// in the store anyway. Content in use stays, so a load may have to wait for room. One content always may be
// in use, however large: then it alone is in memory.
//
// Messages and sites are named by their slots. Plain data of the scheduler; one thread.
#pragma once
#include <set>
#include <unordered_map>
#include <vector>

#include "mta/queue/slots.h"
#include "spool/types.h"

namespace relay::queue {

class Bodies {
 public:
  explicit Bodies(std::uint64_t limit) : limit_(limit) {}
  // What a message takes in memory, roughly, in bytes.
  static std::uint64_t weight(const spool::Message& message);

  // ---- fresh mail
  // Keeps it if there is room. `ahead`: how many recipients of the site will be sent before.
  void keep(Slot message, Slot site, const spool::MessagePtr& content, std::uint32_t ahead);
  // Nobody will want it soon; users keep it to their end.
  void drop(Slot message);
  void drop_kept_for(Slot site);
  spool::MessagePtr peek(Slot message) const;  // null if it is not here

  // ---- users
  // The slot is good until release(). Without content: wait() for it.
  Slot use(Slot message);
  const spool::MessagePtr& content(Slot body) const { return bodies_[body].content; }
  Slot message(Slot body) const { return bodies_[body].message; }  // no_slot once it was dropped
  // `wanted`: by others soon, so that it is kept if that was its last user.
  void release(Slot body, bool wanted);

  // ---- loads
  // True: nobody has asked for it yet, so the caller has it loaded.
  bool wait(Slot body, Handle who);
  // Reserves room for `bytes`, for which what is kept may have to go; false if there is none now. Until
  // loaded() or unreserve() the body stays, even if its users go.
  bool reserve(Slot body, std::uint64_t bytes);
  void loaded(Slot body, spool::MessagePtr content);
  void unreserve(Slot body);                    // it is to be reserved anew, or could not be read
  std::vector<Handle> take_waiting(Slot body);  // the load has ended, well or not: they are told
  bool is(Handle body) const { return bodies_.is(body.slot, body.generation); }
  Handle handle(Slot body) const { return {body, bodies_.generation(body)}; }

  std::uint64_t bytes() const { return bytes_; }
  std::uint64_t most_bytes() const { return most_bytes_; }  // there ever were

 private:
  struct Body {
    Slot message = no_slot;  // none: it was dropped while in use
    Slot site = no_slot;     // for which it is kept
    spool::MessagePtr content;
    std::uint64_t bytes = 0;  // that it counts: its weight, or what is reserved
    std::uint32_t users = 0;
    bool asked = false;       // somebody waits for it to be loaded
    bool reserved = false;    // it is being loaded
    std::uint64_t order = 0;  // its place in kept_, as long as it is there
    std::vector<Handle> waiting;
  };
  std::uint64_t order_of(std::uint32_t ahead);
  Slot add(Slot message);
  void count(Body& body, std::uint64_t bytes);
  void make_room(std::uint64_t bytes, std::uint64_t from_order);
  void hold(Slot body, std::uint64_t order);
  void unhold(Slot body);
  void forget(Slot body);

  const std::uint64_t limit_;
  std::uint64_t bytes_ = 0, most_bytes_ = 0;
  std::uint64_t kept_bytes_ = 0;  // of bytes_, without a user
  std::uint64_t arrivals_ = 0;
  Slots<Body> bodies_;
  std::unordered_map<Slot, Slot> by_message_;
  std::set<std::pair<std::uint64_t, Slot>> kept_;  // by order: what is needed last at the end
  std::set<std::pair<Slot, Slot>> kept_by_site_;
};

}  // namespace relay::queue
