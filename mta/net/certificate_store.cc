#include <fmt/format.h>
#include <sys/stat.h>

#include "mta/base/log.h"
#include "mta/net/certificates.h"

namespace relay::net {
namespace {

using std::chrono::hours;

// "mail.example.com, *.example.org"; of many the first few.
std::string some_names(const CertificateFacts& facts) {
  constexpr std::size_t most = 5;
  if (facts.names.empty()) return "no names";
  std::string all;
  for (std::size_t i = 0; i < facts.names.size() && i < most; ++i) {
    if (i > 0) all += ", ";
    all += log::printable(facts.names[i], 100);
  }
  return facts.names.size() <= most ? all : fmt::format("{} and {} more", all, facts.names.size() - most);
}

}  // namespace

std::optional<std::string> warning_of(const CertificateFacts& facts, Duration before, WallTime now) {
  const std::string which = fmt::format("the certificate {} ({})", facts.file, some_names(facts));
  if (facts.not_after <= now)
    return fmt::format("{} has expired, at {}; clients will refuse it", which,
                       format_rfc3339(facts.not_after));
  if (facts.not_before > now)
    return fmt::format("{} is not valid before {}", which, format_rfc3339(facts.not_before));
  if (facts.not_after - now <= before)
    return fmt::format("{} expires at {} and has not been renewed", which, format_rfc3339(facts.not_after));
  return std::nullopt;
}

Result<std::shared_ptr<CertificateStore>> CertificateStore::open(CertificateSettings settings, WallTime now) {
  const std::shared_ptr<CertificateStore> store(new CertificateStore(std::move(settings)));
  const std::lock_guard lock(store->reading_);
  if (auto read = store->read(now); !read) return std::unexpected(read.error());
  return store;
}

std::shared_ptr<const CertificateSet> CertificateStore::set() const {
  const std::lock_guard lock(mutex_);
  return set_;
}

CertificateStore::Status CertificateStore::status() const {
  const std::lock_guard lock(mutex_);
  return {set_->facts(), failure_, reloads_, failed_reloads_};
}

std::vector<CertificateStore::Mark> CertificateStore::marks() const {
  std::vector<Mark> all;
  const auto look = [&all](const std::string& file) {
    struct stat found{};
    if (::stat(file.c_str(), &found) != 0) return all.push_back({});
    all.push_back({found.st_mtim.tv_sec * 1'000'000'000 + found.st_mtim.tv_nsec,
                   static_cast<std::uint64_t>(found.st_size), found.st_dev, found.st_ino});
  };
  const auto both = [&look](const CertificateFiles& files) {
    look(files.certificate);
    look(files.key);
  };
  both(settings_.standard);
  for (const CertificateFiles& files : settings_.by_name) both(files);
  return all;
}

// The marks are taken first: a file that changes while it is read is read again at the next check.
Result<void> CertificateStore::read(WallTime now) {
  auto found = marks();
  auto read = CertificateSet::read(settings_);
  if (!read) return std::unexpected(read.error());
  read_marks_ = std::move(found);
  last_failure_.clear();
  logged_failure_.clear();
  {
    const std::lock_guard lock(mutex_);
    set_ = std::move(*read);
    failure_.clear();
  }
  warn_of_ends(now);
  return {};
}

Result<void> CertificateStore::reload(WallTime now) {
  const std::lock_guard lock(reading_);
  const auto read_anew = read(now);
  if (!read_anew) {
    fail_reload(read_anew.error());
    return read_anew;
  }
  const std::lock_guard brief(mutex_);
  ++reloads_;
  log::info("tls: the certificates have been read anew");
  return {};
}

void CertificateStore::check(WallTime now) {
  const std::lock_guard lock(reading_);
  if (!warned_ || now - *warned_ >= hours(24)) warn_of_ends(now);
  if (marks() == read_marks_) {
    last_failure_.clear();
    const std::lock_guard brief(mutex_);
    failure_.clear();
    return;
  }
  if (const auto read_anew = read(now); !read_anew) {
    const std::string before = std::exchange(last_failure_, read_anew.error().message);
    if (last_failure_ == before && last_failure_ != logged_failure_) fail_reload(read_anew.error());
    return;
  }
  const std::lock_guard brief(mutex_);
  ++reloads_;
  log::info("tls: the certificates have changed and are read anew");
}

void CertificateStore::fail_reload(const Error& error) {
  logged_failure_ = error.message;
  log::error("tls: the certificates are not replaced, those in use stay: {}", error.message);
  const std::lock_guard lock(mutex_);
  failure_ = error.message;
  ++failed_reloads_;
}

void CertificateStore::warn_of_ends(WallTime now) {
  warned_ = now;
  for (const CertificateFacts& facts : set()->facts())
    if (const auto warning = warning_of(facts, settings_.expiry_warning, now)) log::warn("tls: {}", *warning);
}

}  // namespace relay::net
