// UnboundContext: libunbound's context behind values. Owns the context and the thread that takes its answers.
//
// ask() is called on one thread; `answered` runs on the taking thread, once for every ask() that succeeded,
// unless the context is destroyed first: after the destructor it never runs. Names libunbound nowhere, so
// that only unbound_context.cc includes it.
//
// Which trust anchors count is for the caller to say: of UnboundSettings it takes the file, if there is a
// name, and the others as they stand.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>

#include "mta/base/result.h"
#include "mta/dns/records.h"
#include "mta/dns/resolver.h"

namespace relay::dns {

class UnboundContext {
 public:
  using Answered = std::function<void(std::uint64_t id, Answer answer)>;
  static Result<std::unique_ptr<UnboundContext>> open(const UnboundSettings& settings, Answered answered);
  ~UnboundContext();
  UnboundContext(const UnboundContext&) = delete;
  UnboundContext& operator=(const UnboundContext&) = delete;

  Result<void> ask(std::uint64_t id, const Question& question);

 private:
  struct Impl;
  explicit UnboundContext(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace relay::dns
