#include "mta/queue/senders.h"

#include <utility>

#include "mta/wire/envelope.h"

namespace relay::queue {
namespace {

// Empty if there is nothing to be asked for.
std::string domain_to_ask(std::string_view reverse_path) {
  if (reverse_path.empty()) return {};
  std::string domain(wire::domain_of(reverse_path));
  if (domain.starts_with('[')) domain.clear();
  return domain;
}

}  // namespace

Senders::Word Senders::word(std::string_view reverse_path) {
  const std::string domain = domain_to_ask(reverse_path);
  if (domain.empty()) return Word::takes_mail;
  const auto found = domains_.find(domain);
  if (found == domains_.end()) return domains_.size() < most_ ? Word::unknown : Word::takes_mail;
  Domain& known = found->second;
  if (known.word == Word::unknown || loop_.now() < known.until) return known.word;
  domains_.erase(found);
  return Word::unknown;
}

void Senders::ask(std::string_view reverse_path, Task told) {
  std::string domain = domain_to_ask(reverse_path);
  if (!domain.empty() && domains_.size() >= most_ && !domains_.contains(domain)) make_room();
  if (word(reverse_path) != Word::unknown) {
    if (told) loop_.post(std::move(told));
    return;
  }
  auto [entry, fresh] = domains_.try_emplace(domain);
  if (told) entry->second.waiting.push_back(std::move(told));
  if (!fresh) return;
  resolver_.null_mx(domain, [weak = std::weak_ptr<Senders*>(self_), domain](bool null_mx) {
    if (const auto alive = weak.lock()) (*alive)->on_answer(domain, null_mx);
  });
}

void Senders::make_room() {
  std::erase_if(domains_, [now = loop_.now()](const auto& each) {
    return each.second.word != Word::unknown && each.second.until <= now;
  });
}

void Senders::on_answer(const std::string& domain, bool null_mx) {
  const auto found = domains_.find(domain);
  if (found == domains_.end()) return;
  found->second.word = null_mx ? Word::null_mx : Word::takes_mail;
  found->second.until = loop_.now() + fresh_;
  for (Task& task : std::exchange(found->second.waiting, {})) loop_.post(std::move(task));
}

}  // namespace relay::queue
