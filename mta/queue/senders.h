// Senders: whether the domain of a return path says by a null MX that it takes no mail. Then nobody could be
// told what became of the message, and many hosts refuse it (RFC 7505 4.2).
//
// Asked when mail comes, so that the answer is there when the first host is ready, and by domain, so that a
// busy sender is asked for once in `fresh`. What cannot be found out counts as taking mail. Owned by one
// scheduler, on its loop's thread; bounded by `most` domains, beyond which a domain is not asked for.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "mta/base/loop.h"
#include "mta/dns/resolver.h"

namespace relay::queue {

class Senders {
 public:
  enum class Word { unknown, takes_mail, null_mx };
  Senders(Loop& loop, dns::Resolver& resolver, Duration fresh, std::size_t most)
      : loop_(loop), resolver_(resolver), fresh_(fresh), most_(most) {}

  // Of a return path, which may be empty: that is not asked for, nor is an address literal.
  Word word(std::string_view reverse_path);
  // Asks unless the answer is known or awaited; `told`, if there is one, runs later, once.
  void ask(std::string_view reverse_path, Task told);

 private:
  struct Domain {
    Word word = Word::unknown;  // unknown: awaited, and these wait for it
    Instant until;
    std::vector<Task> waiting;
  };
  void make_room();
  void on_answer(const std::string& domain, bool null_mx);

  Loop& loop_;
  dns::Resolver& resolver_;
  Duration fresh_;
  std::size_t most_;
  std::unordered_map<std::string, Domain> domains_;
  std::shared_ptr<Senders*> self_ = std::make_shared<Senders*>(this);
};

}  // namespace relay::queue
