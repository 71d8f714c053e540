// relayctl spool import
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <istream>
#include <ostream>
#include <set>
#include <system_error>

#include "relay-api/ctl/archive.h"
#include "relay-api/ctl/spool_session.h"
#include "relay-api/ctl/table.h"
#include "spool/inspect/stored.h"
#include "spool/lmdb.h"

namespace relay::ctl {
namespace json = boost::json;
namespace fs = std::filesystem;
namespace {

// One commit: more makes no difference to the disk, and it is held in memory.
constexpr std::size_t batch_bytes = 16u << 20;
constexpr std::size_t batch_operations = 1000;
// A line: content of 700 MiB in base 64. No relay takes a message of that size, and it is held in memory.
constexpr std::size_t longest_line = 1u << 30;

Result<std::string> read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  if (!in.is_open() || in.bad())
    return fail(Errc::system,
                fmt::format("could not read {}: {}", path.string(), std::system_category().message(errno)));
  return bytes;
}

// Before a spool is made for what it has. Nothing is read of a pipe: that would be lost.
Result<void> check_source(const std::string& source) {
  if (source == "-") return {};
  const auto unreadable = [&source](const std::error_code& error) {
    return fail(Errc::system, fmt::format("could not read {}: {}", source, error.message()));
  };
  const auto last_error = [] { return std::error_code(errno, std::system_category()); };
  std::error_code error;
  if (::access(source.c_str(), R_OK) != 0) return unreadable(last_error());
  if (fs::is_directory(source, error)) fs::directory_iterator(source, error);
  if (error) return unreadable(error);
  if (!fs::is_regular_file(source, error)) return {};
  std::ifstream in(source, std::ios::binary);
  if (!in.is_open() || (in.peek(), in.bad())) return unreadable(last_error());
  return {};
}

// Where entries are put: a spool that no relay runs on, or nowhere (a dry run), which only looks whether they
// are there.
class Destination {
 public:
  virtual ~Destination() = default;
  virtual Result<void> add(ArchiveEntry entry) = 0;
  virtual Result<void> finish() { return {}; }
  std::uint64_t messages = 0, keys = 0, present = 0;  // as far as they are stored for good
};

class Spool final : public Destination {
 public:
  explicit Spool(std::unique_ptr<spool::Store> store) : store_(std::move(store)) {}

  Result<void> load_keys() {
    const auto all = store_->keys();
    if (!all) return std::unexpected(all.error());
    for (const auto& key : *all) known_.insert(key.id.value);
    return {};
  }

  Result<void> add(ArchiveEntry entry) override {
    if (auto* key = std::get_if<spool::ApiKey>(&entry)) {
      if (!known_.insert(key->id.value).second) {
        ++present;
        return {};
      }
      ++batch_keys_;
      batch_.emplace_back(spool::PutKey{std::move(*key)});
    } else {
      auto& restore = std::get<spool::Restore>(entry);
      bytes_ += restore.message->body ? restore.message->body->size() : 0;
      batch_.emplace_back(std::move(restore));
    }
    if (batch_.size() < batch_operations && bytes_ < batch_bytes) return {};
    return finish();
  }

  Result<void> finish() override {
    if (batch_.empty()) return {};
    const auto applied = store_->apply(batch_);
    if (!applied) return std::unexpected(applied.error());
    messages += batch_.size() - batch_keys_ - applied->stale;
    keys += batch_keys_;
    present += applied->stale;
    batch_.clear();
    batch_keys_ = 0, bytes_ = 0;
    return {};
  }

 private:
  std::unique_ptr<spool::Store> store_;
  std::set<std::string> known_;  // keys
  std::vector<spool::Operation> batch_;
  std::size_t batch_keys_ = 0, bytes_ = 0;
};

class DryRun final : public Destination {
 public:
  static Result<std::unique_ptr<DryRun>> open(const std::string& directory) {
    auto run = std::make_unique<DryRun>();
    auto file = spool::SpoolFile::open(directory);
    if (!file && file.error().code == Errc::not_found) return run;  // it will be made
    if (!file) return std::unexpected(file.error());
    run->file_ = std::move(*file);
    if (auto known = spool::check_format(*run->file_); !known) return std::unexpected(known.error());
    return run;
  }
  Result<void> add(ArchiveEntry entry) override {
    const auto* key = std::get_if<spool::ApiKey>(&entry);
    const auto there = is_there(key, entry);
    if (!there) return std::unexpected(there.error());
    const std::string name =
        key != nullptr ? key->id.value : std::get<spool::Restore>(entry).message->id.text();
    if (*there || !seen_.insert(name).second)
      ++present;
    else
      ++(key != nullptr ? keys : messages);
    return {};
  }

 private:
  Result<bool> is_there(const spool::ApiKey* key, const ArchiveEntry& entry) {
    if (!file_) return false;
    const auto view = file_->view();
    if (!view) return std::unexpected(view.error());
    spool::Faults quiet([](const spool::Fault&) {});
    const auto tables = spool::find_tables(*view, quiet);
    if (key != nullptr) {
      spool::RowCursor cursor(*view, tables, spool::Table::keys, quiet);
      return cursor.seek_from(key->id.value) && cursor.key() == key->id.value;
    }
    return spool::MessageWalk(*view, tables, quiet)
        .record(std::get<spool::Restore>(entry).message->id)
        .listed;
  }
  std::unique_ptr<spool::SpoolFile> file_;
  std::set<std::string> seen_;
};

class Import {
 public:
  Import(Session& session, Destination& destination, const SpoolImportOptions& options)
      : session_(session), destination_(destination), options_(options), line_(session) {}

  int run() {
    std::error_code ignored;
    Result<void> done;
    if (options_.source == "-")
      done = session_.in != nullptr ? lines(*session_.in, "standard input")
                                    : fail(Errc::system, "there is no standard input");
    else if (fs::is_directory(options_.source, ignored))
      done = directory();
    else
      done = file(options_.source);
    if (done) done = destination_.finish();
    line_.clear();
    say_end(done.has_value());
    if (!done) return unusable(session_, done.error());
    return refused_ == 0 ? exit_ok : exit_faults;
  }

 private:
  static std::string named(const std::string& where, std::string_view text) {
    const std::string id = id_in(text);
    return id.empty() || where.find(id) != std::string::npos ? where : fmt::format("{}, {}", where, id);
  }

  void refuse(const std::string& where, std::string_view what) {
    ++refused_;
    line_.clear();
    session_.err << "relayctl: " << safe_text(where) << ": " << safe_text(what) << "\n";
  }

  // `text`: what the entry was read from, which may name the message nevertheless.
  Result<void> take(Result<ArchiveEntry> entry, const std::string& where, std::string_view text) {
    if (!entry) {
      refuse(named(where, text), entry.error().message);
      return {};
    }
    if (auto r = destination_.add(std::move(*entry)); !r) return r;
    line_.show(
        [&] { return fmt::format("{} imported", counted(destination_.messages, "message", "messages")); });
    return {};
  }

  Result<void> file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in.is_open())
      return fail(Errc::system,
                  fmt::format("could not open {}: {}", path, std::system_category().message(errno)));
    return lines(in, path);
  }

  // One line; false at the end. A line that is too long is read to its end, and its beginning is what counts.
  static bool next_line(std::istream& in, std::string& line, bool& too_long) {
    line.clear();
    too_long = false;
    char block[65536];
    bool any = false;
    while (in.getline(block, sizeof block), in.gcount() > 0 || in.good()) {
      any = true;
      const bool cut = in.fail() && !in.eof() && !in.bad();  // the block is full and the line goes on
      const auto got = static_cast<std::size_t>(in.gcount()) - (cut || in.eof() ? 0 : 1);
      too_long |= line.size() + got > longest_line;
      if (!too_long) line.append(block, got);
      if (!cut) return true;
      in.clear();
    }
    return any;
  }

  Result<void> lines(std::istream& in, const std::string& name) {
    std::string line;
    bool too_long = false;
    for (std::uint64_t number = 1; next_line(in, line, too_long); ++number) {
      if (line.empty() && !too_long) continue;
      const std::string where = fmt::format("{}, line {}", name, number);
      if (too_long)
        refuse(named(where, line), "it is longer than any line of an export");
      else if (auto r = take(read_entry(line), where, line); !r)
        return r;
    }
    if (in.bad()) return fail(Errc::system, fmt::format("could not read {}", name));
    return {};
  }

  Result<void> directory() {
    std::vector<fs::path> envelopes;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(options_.source, error)) {
      if (entry.path().extension() == ".json") envelopes.push_back(entry.path());
      if (entry.path().extension() == ".eml" &&
          !fs::exists(fs::path(entry.path()).replace_extension(".json")))
        refuse(entry.path().string(), "there is no .json beside it that says to whom it goes");
    }
    if (error)
      return fail(Errc::system, fmt::format("could not read {}: {}", options_.source, error.message()));
    std::sort(envelopes.begin(), envelopes.end());
    for (const auto& path : envelopes) {
      if (path.filename() == "keys.json") {
        if (auto r = file(path.string()); !r) return r;
        continue;
      }
      if (auto r = pair(path); !r) return r;
    }
    return {};
  }

  Result<void> pair(const fs::path& path) {
    const auto envelope = read_file(path);
    if (!envelope) return std::unexpected(envelope.error());
    const fs::path content_path = fs::path(path).replace_extension(".eml");
    BodyPtr body;
    if (fs::exists(content_path)) {
      auto content = read_file(content_path);
      if (!content) return std::unexpected(content.error());
      body = std::make_shared<const Body>(std::move(*content));
    }
    return take(read_entry(*envelope, std::move(body)), path.string(), *envelope);
  }

  void say_end(bool whole) {
    const Destination& d = destination_;
    if (session_.json) {
      session_.out << json::serialize(json::object{{"messages", d.messages},
                                                   {"keys", d.keys},
                                                   {"present", d.present},
                                                   {"refused", refused_},
                                                   {"dry_run", options_.dry_run},
                                                   {"finished", whole}})
                   << "\n";
      return;
    }
    session_.out << fmt::format("{} {}{}; {} there already{}.\n",
                                options_.dry_run ? "Would import" : "Imported",
                                counted(d.messages, "message", "messages"),
                                d.keys > 0 ? fmt::format(" and {}", counted(d.keys, "key", "keys")) : "",
                                d.present == 1 ? "1 was" : fmt::format("{} were", d.present),
                                refused_ > 0 ? fmt::format("; {} refused, see above", refused_) : "");
  }

  Session& session_;
  Destination& destination_;
  const SpoolImportOptions& options_;
  ProgressLine line_;
  std::uint64_t refused_ = 0;
};

// What root has made belongs to the relay's user, who owns the directory.
void give_to_owner(const std::string& directory) {
  struct stat s{};
  if (::geteuid() != 0 || ::stat(directory.c_str(), &s) != 0) return;
  for (const char* name : {"/data.mdb", "/lock.mdb", "/relay.lock"})
    if (::lchown((directory + name).c_str(), s.st_uid, s.st_gid) != 0) continue;
}

Result<std::unique_ptr<Destination>> open_destination(const std::string& directory, bool dry_run) {
  if (dry_run) {
    auto run = DryRun::open(directory);
    if (!run) return std::unexpected(run.error());
    return std::move(*run);
  }
  spool::LmdbSettings settings;
  settings.directory = directory;
  auto store = spool::open_lmdb(settings);
  if (!store && store.error().code == Errc::conflict)
    return fail(Errc::conflict, store.error().message + ": stop relayd, import, and start it again");
  if (!store) return std::unexpected(store.error());
  auto opened = std::make_unique<Spool>(std::move(*store));
  if (auto r = opened->load_keys(); !r) return std::unexpected(r.error());
  return opened;
}

}  // namespace

int spool_import(Session& session, const SpoolImportOptions& options) {
  if (auto readable = check_source(options.source); !readable) return unusable(session, readable.error());
  const auto directory = find_spool(session, options.spool);
  if (!directory) return unusable(session, directory.error());
  auto destination = open_destination(*directory, options.dry_run);
  if (!destination) return unusable(session, destination.error());
  if (!session.json) say_line(session, "Spool", *directory);
  const int code = Import(session, **destination, options).run();
  destination->reset();
  if (!options.dry_run) give_to_owner(*directory);
  return code;
}

}  // namespace relay::ctl
