#include "mta/main/demo_key.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string_view>

#include "mta/base/clock.h"
#include "mta/intake/keys.h"

namespace relay {
namespace {

Secret read_key(const std::string& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  while (!line.empty() && (line.back() == ' ' || line.back() == '\r')) line.pop_back();
  return Secret(std::move(line));
}

bool good(const Secret& key, const std::vector<spool::ApiKey>& known) {
  Digest digest = sha256(key.reveal());
  for (const auto& k : known) {
    if (!k.revoked && equal_constant_time(k.hash, digest)) return true;
  }
  return false;
}

// Whole or not at all, and never readable by others.
Result<void> write_key(const std::string& file, const Secret& key) {
  const std::string fresh = file + ".new";
  auto failed = [&](const char* what) {
    int why = errno;
    return fail(Errc::system,
                fmt::format("cannot {} {}: {}", what, fresh, std::generic_category().message(why)));
  };
  ::unlink(fresh.c_str());  // left by a start that was killed
  int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return failed("make");
  std::string line(key.reveal());  // alone: no line end either, for those who read the file as it is
  bool written = ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  wipe(line);
  if (!written) {
    auto error = failed("write");
    ::close(fd);
    return error;
  }
  if (::close(fd) != 0) return failed("close");
  if (::rename(fresh.c_str(), file.c_str()) != 0) return failed("rename");
  return {};
}

}  // namespace

Result<void> ensure_demo_key(const std::string& file, spool::Store& store) {
  auto known = store.keys();
  if (!known) return std::unexpected(known.error());
  if (Secret kept = read_key(file); !kept.empty() && good(kept, *known)) return {};
  SystemRng rng;
  intake::KeyRing::Created made = intake::KeyRing::make(AccountId{"demo"}, "demo", system_wall(), rng);
  const spool::Operation put = spool::PutKey{made.key};
  if (auto stored = store.apply({&put, 1}); !stored) return std::unexpected(stored.error());
  return write_key(file, made.text);
}

}  // namespace relay
