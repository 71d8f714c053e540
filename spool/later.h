// Later: the closed messages that purge has passed over as they are not old enough yet: their time began
// later than they were accepted, as they were scheduled. Copied cheaply, as every batch has one.
//
// Those whose turn comes first are kept, `most` of them or up to twice as many. Of the others only two things
// are known: when the first of them will be old enough, and before which id none of them lies; when that time
// comes they are looked for again, by when at least `most` have been forgotten, or as many as there were. So
// each message costs a bounded number of looks, its share of as many rounds as `most` fits into the number of
// messages. Adding and taking are cheap whatever the order, logarithmic on average: a commit may have tens of
// thousands of them.
#pragma once
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "mta/base/clock.h"
#include "mta/base/ids.h"

namespace relay::spool {

class Later {
 public:
  static constexpr std::size_t usual_most = 10'000;  // 24 bytes each, twice as many at most

  explicit Later(std::size_t most = usual_most) : most_(most) {}
  // The message's time began at `since`; one that is known already is known once.
  void add(const MessageId& id, WallTime since);
  // Takes out one whose time began before.
  std::optional<MessageId> take(WallTime before);
  // From where on the others are to be looked for, if one of them has become old; asked again, there are
  // none.
  std::optional<MessageId> look_from(WallTime before);

 private:
  struct Entry {
    WallTime since;
    MessageId id;
    friend auto operator<=>(const Entry&, const Entry&) = default;
  };
  std::vector<Entry>& own();  // as nobody else's
  void leave_to_others(const Entry& entry);
  void make_room();

  std::size_t most_;
  // A heap, the earliest first; some may be in it twice. Shared until it changes.
  std::shared_ptr<std::vector<Entry>> entries_;
  std::optional<MessageId> others_from_;
  WallTime others_at_;  // with others_from_; none of the entries is later
};

}  // namespace relay::spool
