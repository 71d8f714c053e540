#include "mta/dns/unbound_context.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unbound.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>

#include "mta/base/log.h"

namespace relay::dns {
namespace {

struct ContextDeleter {
  void operator()(ub_ctx* context) const { ub_ctx_delete(context); }
};
using ContextPtr = std::unique_ptr<ub_ctx, ContextDeleter>;

std::string rcode_name(int rcode) {
  switch (rcode) {  // RFC 1035 4.1.1
    case 1: return "FORMERR";
    case 2: return "SERVFAIL";
    case 4: return "NOTIMP";
    case 5: return "REFUSED";
    default: return "response code " + std::to_string(rcode);
  }
}

// Empty if it is the name that was asked for, in whatever case.
std::string canonical_name(const ub_result& result) {
  const auto clean = [](const char* text) {
    std::string name = text ? text : "";
    if (name.ends_with('.')) name.pop_back();
    for (char& c : name)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return name;
  };
  const std::string name = clean(result.canonname);
  return name == clean(result.qname) || !host_name(name) ? "" : name;
}

Answer to_answer(int error, const ub_result* result) {
  Answer answer;
  if (error != UB_NOERROR || !result) {
    answer.detail = ub_strerror(error);
  } else if (result->bogus) {
    answer.bogus = true;
    answer.detail = std::string("DNSSEC validation failed: ") + (result->why_bogus ? result->why_bogus : "");
  } else if (result->nxdomain || result->rcode == 3) {
    answer.status = Answer::Status::no_domain;
  } else if (result->rcode != 0) {
    answer.detail = rcode_name(result->rcode);
  } else if (!result->havedata) {
    answer.status = Answer::Status::no_data;
  } else {
    answer.status = Answer::Status::data;
    for (std::size_t i = 0; result->data[i]; ++i)
      answer.data.emplace_back(result->data[i], static_cast<std::size_t>(result->len[i]));
    answer.canonical = canonical_name(*result);
  }
  answer.secure = answer.status != Answer::Status::failed && result->secure;
  return answer;
}

Result<void> set_options(ub_ctx* context, const UnboundSettings& settings) {
  const std::string records = std::to_string(settings.cache_bytes);
  const std::string answers = std::to_string(settings.cache_bytes / 2);
  const std::array<std::pair<const char*, const char*>, 7> options{{
      {"do-not-query-localhost:", "no"},  // a forwarder on this machine is usual (systemd-resolved, unbound)
      {"outgoing-range:", "256"},         // queries under way; the library's 16 would stall a full queue
      {"outgoing-num-tcp:", "10"},        // the same for answers too long for UDP
      {"rrset-cache-size:", records.c_str()},
      {"msg-cache-size:", answers.c_str()},
      {"infra-host-ttl:", "60"},       // a server that was down is asked again after a minute, not 15
      {"infra-keep-probing:", "yes"},  // the same
  }};
  for (const auto& [name, value] : options)
    if (const int error = ub_ctx_set_option(context, name, value))
      return fail(Errc::system,
                  std::string("libunbound refuses ") + name + ' ' + value + ": " + ub_strerror(error));
  return {};
}

bool usable_server(const std::string& server) {
  const auto at = std::min(server.find('@'), server.size());
  const bool port = at == server.size() ||
                    (at + 1 < server.size() && server.find_first_not_of("0123456789", at + 1) == server.npos);
  return port && literal_address(server.substr(0, at)).has_value();
}

Result<void> refuse_server(const std::string& server) {
  return fail(Errc::invalid,
              "the DNS server " + log::printable(server) + " is not of the form ADDRESS or ADDRESS@PORT");
}

Result<void> set_servers(ub_ctx* context, const UnboundSettings& settings) {
  for (const auto& server : settings.servers)
    if (!usable_server(server) || ub_ctx_set_fwd(context, server.c_str()) != 0) return refuse_server(server);
  if (settings.servers.empty() && ub_ctx_resolvconf(context, settings.resolv_conf.c_str()) != 0)
    log::warn("{} cannot be read; names are resolved from the root servers", settings.resolv_conf);
  return {};
}

// What libunbound takes from a file alone, in the form of unbound.conf(5).
Result<std::string> zones_text(const UnboundSettings& settings) {
  std::string text = "server:\n";
  for (const auto& zone : settings.insecure_zones) {
    if (zone != "." && !host_name(zone)) return fail(Errc::invalid, log::printable(zone) + " is no domain");
    text += fmt::format("  domain-insecure: \"{}\"\n", zone);
  }
  for (const auto& zone : settings.zones) {
    if (!host_name(zone.zone)) return fail(Errc::invalid, log::printable(zone.zone) + " is no domain");
    const std::string_view kind = zone.stub ? "stub" : "forward";
    text += fmt::format("{}-zone:\n  name: \"{}\"\n", kind, zone.zone);
    for (const auto& server : zone.servers) {
      if (!usable_server(server)) return std::unexpected(refuse_server(server).error());
      text += fmt::format("  {}-addr: {}\n", kind, server);
    }
  }
  return text;
}

Result<void> set_zones(ub_ctx* context, const UnboundSettings& settings) {
  if (settings.zones.empty() && settings.insecure_zones.empty()) return {};
  const auto text = zones_text(settings);
  if (!text) return std::unexpected(text.error());
  const int fd = memfd_create("relay-dns", MFD_CLOEXEC);
  const bool written = fd >= 0 && write(fd, text->data(), text->size()) == static_cast<ssize_t>(text->size());
  const int error =
      written ? ub_ctx_config(context, fmt::format("/proc/self/fd/{}", fd).c_str()) : UB_READFILE;
  if (fd >= 0) close(fd);
  if (error == UB_NOERROR) return {};
  return fail(Errc::system, std::string("libunbound refuses the zones: ") + ub_strerror(error));
}

Result<void> set_anchors(ub_ctx* context, const UnboundSettings& settings) {
  const auto& file = settings.trust_anchor_file;
  if (!file.empty() && (access(file.c_str(), R_OK) != 0 || ub_ctx_add_ta_file(context, file.c_str()) != 0))
    return fail(Errc::invalid, "the trust anchor file " + file + " cannot be read");
  for (const auto& anchor : settings.trust_anchors)
    if (ub_ctx_add_ta(context, anchor.c_str()) != 0)
      return fail(Errc::invalid, "the trust anchor " + log::printable(anchor) + " is no DS or DNSKEY record");
  return {};
}

Result<ContextPtr> open_context(const UnboundSettings& settings) {
  ContextPtr context(ub_ctx_create());
  if (!context) return fail(Errc::system, "libunbound cannot make a context");
  for (const auto set : {set_options, set_servers, set_zones, set_anchors})
    if (auto done = set(context.get(), settings); !done) return std::unexpected(done.error());
  ub_ctx_async(context.get(), 1);
  // The last step: it ends configuration, and so is where libunbound says that it cannot be used. What it
  // answers for some names by itself gives way to who was told to be asked for them.
  std::vector<std::string> asked{"test."};
  for (const auto& zone : settings.zones) asked.push_back(zone.zone + '.');
  for (const auto& zone : asked)
    if (const int error = ub_ctx_zone_remove(context.get(), zone.c_str()))
      return fail(
          Errc::invalid,
          std::string("libunbound refuses its configuration, a trust anchor perhaps: ") + ub_strerror(error));
  return context;
}

}  // namespace

struct UnboundContext::Impl {
  struct Query {
    Impl* owner;
    std::uint64_t id;
  };

  Impl(ContextPtr opened, Answered callback) : context(std::move(opened)), answered(std::move(callback)) {}
  ~Impl() {
    if (taker.joinable()) {
      const std::uint64_t one = 1;
      while (write(stop_fd, &one, sizeof one) < 0 && errno == EINTR) {
      }
      taker.join();
    }
    context.reset();  // ends libunbound's thread; what it still had under way is not called back
    if (stop_fd >= 0) close(stop_fd);
  }

  void take_answers() {
    std::array<pollfd, 2> fds{{{ub_fd(context.get()), POLLIN, 0}, {stop_fd, POLLIN, 0}}};
    for (;;) {
      if (poll(fds.data(), fds.size(), -1) < 0) continue;  // EINTR: nothing else can happen to these
      if (fds[1].revents) return;
      if (const int error = ub_process(context.get())) {
        // libunbound's thread has died; look-ups end by their time-out, so as temporary.
        log::error("DNS answers cannot be taken any more: {}", ub_strerror(error));
        return;
      }
    }
  }

  static void on_result(void* argument, int error, ub_result* result) {
    auto* query = static_cast<Query*>(argument);
    Answer answer = to_answer(error, result);
    ub_resolve_free(result);
    Impl* owner = query->owner;
    const std::uint64_t id = query->id;
    owner->forget(id);
    owner->answered(id, std::move(answer));
  }

  void forget(std::uint64_t id) {
    const std::lock_guard lock(mutex);
    queries.erase(id);
  }

  ContextPtr context;
  Answered answered;
  std::mutex mutex;
  std::unordered_map<std::uint64_t, std::unique_ptr<Query>> queries;  // what libunbound holds pointers to
  int stop_fd = -1;
  std::thread taker;
};

UnboundContext::UnboundContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
UnboundContext::~UnboundContext() = default;

Result<std::unique_ptr<UnboundContext>> UnboundContext::open(const UnboundSettings& settings,
                                                             Answered answered) {
  auto context = open_context(settings);
  if (!context) return std::unexpected(context.error());
  auto impl = std::make_unique<Impl>(*std::move(context), std::move(answered));
  impl->stop_fd = eventfd(0, EFD_CLOEXEC);
  if (impl->stop_fd < 0) return fail(Errc::system, "no event descriptor for the DNS thread");
  // The thread takes no signals: those are for the one that waits for them.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  impl->taker = std::thread([raw = impl.get()] { raw->take_answers(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return std::unique_ptr<UnboundContext>(new UnboundContext(std::move(impl)));
}

Result<void> UnboundContext::ask(std::uint64_t id, const Question& question) {
  auto query = std::make_unique<Impl::Query>(Impl::Query{impl_.get(), id});
  auto* argument = query.get();
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->queries.emplace(id, std::move(query));
  }
  const int error =
      ub_resolve_async(impl_->context.get(), question.name.c_str(), static_cast<int>(question.type),
                       1 /* class IN */, argument, &Impl::on_result, nullptr);
  if (error == UB_NOERROR) return {};
  impl_->forget(id);
  return fail(Errc::system, ub_strerror(error));
}

}  // namespace relay::dns
