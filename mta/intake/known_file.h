// KnownFile: the file in which KnownClients outlive the process.
//
// Reading is done once, in the constructor, before the loops run. Later put() only notes a line; the writing
// is a task on `home`, which is no event loop: authentications must not wait for a disk that has stalled, nor
// for whoever waits for it with the guard's lock. A thread of its own and not the spool's writer's, which has
// mail to acknowledge. Lines are appended and never synced: a crash of the process loses what was noted that
// moment, one of the machine the last few seconds. When there would be more than twice as many lines as may
// be known, also at the start, what is in the file is written anew, the last of each pair and at most `most`
// of them, synced, and put in the old one's place; so it has no more than 9 MB for 100,000 pairs. Times stay
// as they are written, whatever the clock says meanwhile.
//
// The file stops nobody: what cannot be read in it is passed over, and if it cannot be written, or not read
// to its end when it is to be written anew, the log says so once. What was noted waits then, at most `most`
// lines, of which the oldest give way, and is tried again with what comes a minute later; the minute is of a
// clock that nobody sets.
//
// The file: lines of 32 hexadecimal digits, a blank and seconds since 1970; a later line counts. Mode 0600.
// One process's, who has the directory locked. put() from any thread; `home` runs nothing of it any more when
// it ends.
#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mta/base/loop.h"

namespace relay::intake {

class KnownFile {
 public:
  static constexpr std::size_t digits = 32;
  struct Line {
    std::array<char, digits> pair;
    WallTime at;
    std::string_view name() const { return {pair.data(), pair.size()}; }
  };

  KnownFile(std::string path, std::uint32_t most, Executor& home);
  ~KnownFile();
  KnownFile(const KnownFile&) = delete;
  KnownFile& operator=(const KnownFile&) = delete;

  // What was in it at the start, each pair once, the one that was written last at the end. Empty after that.
  std::vector<Line> take_known() { return std::move(known_); }
  void put(const Line& line, Instant now);

 private:
  using Lines = std::deque<Line>;
  struct Contents {
    std::vector<Line> known;
    std::uint64_t lines = 0;  // readable or not
    bool torn = false;        // the last has no end
    bool whole = true;        // read to the end, or there is none
  };
  Contents read() const;
  void latest(std::vector<Line>& lines) const;
  bool open();
  void write_noted();
  bool write(const Lines& lines);
  bool append(const Lines& lines);
  bool write_anew(const std::vector<Line>& lines);
  bool failed(const char* what);

  const std::string path_;
  const std::uint32_t most_;
  Executor& home_;
  std::vector<Line> known_;
  // Of the task, and before there is one of the constructor.
  int fd_ = -1;              // appended to; -1: there is none
  std::uint64_t lines_ = 0;  // in the file, or more
  bool torn_ = false;        // what was written last may have no end
  bool told_ = false;        // that it cannot be written

  std::mutex mutex_;  // what follows
  Lines noted_;
  bool posted_ = false;  // the task
  std::optional<Instant> try_again_;
};

}  // namespace relay::intake
