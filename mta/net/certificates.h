// Certificates: what the relay's own listeners show, read from PEM files and chosen by the name a client asks
// for.
//
// A CertificateSet is all of them as read at one time: constant, shared by any number of threads and
// sessions. The CertificateStore holds the set in force and replaces it as a whole, by reload() when told to
// and by check() when a file has changed; sessions keep what they have been shown. Whatever cannot be used
// leaves the set in force alone. Thread-safe. Files are read on the caller's thread; look-ups do not wait for
// that.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mta/base/clock.h"
#include "mta/base/result.h"

struct ssl_st;

namespace relay::net {

// Both PEM: the certificate followed by its chain, and its key without a passphrase.
struct CertificateFiles {
  std::string certificate;
  std::string key;
};

struct CertificateSettings {
  CertificateFiles standard;                // shown where no other fits
  std::vector<CertificateFiles> by_name{};  // shown to clients that ask for one of their names (RFC 6066 3)
  // Warned of so long before its end, and daily. Certificates of 90 days are renewed 30 days before theirs,
  // so that a fortnight before it renewal has failed for long, and there is time to see to it.
  Duration expiry_warning = std::chrono::hours(24 * 14);
};

// What is said of one.
struct CertificateFacts {
  std::string file;
  std::vector<std::string> names;  // those it is chosen by, in lower case
  WallTime not_before{}, not_after{};
};

// What there is to warn of: that it has expired, will within `before`, or is not valid yet.
std::optional<std::string> warning_of(const CertificateFacts& facts, Duration before, WallTime now);

class CertificateSet {
 public:
  // An error is one sentence that names the file.
  static Result<std::shared_ptr<const CertificateSet>> read(const CertificateSettings& settings);
  ~CertificateSet();
  CertificateSet(const CertificateSet&) = delete;
  CertificateSet& operator=(const CertificateSet&) = delete;

  const std::vector<CertificateFacts>& facts() const { return facts_; }  // the standard one first
  // The index of the certificate for a name, in any case: exact before wildcard (one label deep, RFC
  // 6125 6.4.3), the earlier before the later, the standard one where none fits or no name was given.
  std::size_t choose(std::string_view name) const;
  // Gives a server's session the certificate of that index. False if OpenSSL will not have it.
  bool show(ssl_st* session, std::size_t index) const;

 private:
  struct Pair;
  CertificateSet();
  Result<void> add(const CertificateFiles& files);
  std::vector<Pair> pairs_;
  std::vector<CertificateFacts> facts_;
  std::map<std::string, std::size_t, std::less<>> by_name_;  // "*.example.com" stands for one label
};

class CertificateStore {
 public:
  // Warns of certificates that end soon or have ended.
  static Result<std::shared_ptr<CertificateStore>> open(CertificateSettings settings, WallTime now);

  std::shared_ptr<const CertificateSet> set() const;
  // Reads everything anew, changed or not. The error has been logged.
  Result<void> reload(WallTime now);
  // Reads everything anew if a file's time, size or inode is another than when it was last read; a renewal
  // may be half done then, so an error is logged only when the next check meets it too, and then once.
  void check(WallTime now);

  struct Status {
    std::vector<CertificateFacts> certificates;
    std::string failure;  // why those in force are not those of the files; empty: they are
    std::uint64_t reloads = 0, failed_reloads = 0;
  };
  Status status() const;

 private:
  // A file as it was found. All zero if it could not be.
  struct Mark {
    std::int64_t modified_ns = 0;
    std::uint64_t size = 0, device = 0, inode = 0;
    friend bool operator==(const Mark&, const Mark&) = default;
  };
  explicit CertificateStore(CertificateSettings settings) : settings_(std::move(settings)) {}
  std::vector<Mark> marks() const;
  Result<void> read(WallTime now);
  void fail_reload(const Error& error);
  void warn_of_ends(WallTime now);

  const CertificateSettings settings_;
  std::mutex reading_;  // one reload or check at a time; what follows is theirs
  std::vector<Mark> read_marks_;
  std::string last_failure_;    // of the check before
  std::string logged_failure_;  // said already
  std::optional<WallTime> warned_;

  mutable std::mutex mutex_;  // for a moment only; what follows
  std::shared_ptr<const CertificateSet> set_;
  std::string failure_;
  std::uint64_t reloads_ = 0, failed_reloads_ = 0;
};

}  // namespace relay::net
