// relayctl spool export
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <cstdlib>
#include <numeric>
#include <ostream>
#include <system_error>

#include "relay-api/base64.h"
#include "relay-api/ctl/archive.h"
#include "relay-api/ctl/spool_session.h"
#include "relay-api/ctl/table.h"
#include "spool/file.h"
#include "spool/inspect/page_account.h"
#include "spool/inspect/salvage.h"
#include "spool/records.h"

namespace relay::ctl {
namespace json = boost::json;
namespace {

// What one view gives before it is written out: the reader of a pipe may be slow, and views are kept short.
constexpr std::size_t slice_bytes = 8u << 20;
constexpr std::size_t slice_messages = 2000;

std::unexpected<Error> os_failure(std::string_view doing, const std::string& path, int code = errno) {
  return fail(Errc::system,
              fmt::format("could not {} {}: {}", doing, path, std::system_category().message(code)));
}

// A file that only its owner may read, and that was not there before.
Result<spool::File> make_file(const std::string& path) {
  spool::File file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (file.get() < 0) return os_failure("make", path);
  return file;
}

Result<void> write_all(const spool::File& file, const std::string& path, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return os_failure("write", path);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

// Where an export goes: lines on a stream or in a file, or files in a directory.
class Target {
 public:
  static Result<Target> open(Session& session, const SpoolExportOptions& options) {
    Target target;
    if (!options.directory.empty()) {
      target.directory_ = options.directory;
      if (::mkdir(options.directory.c_str(), 0700) != 0)
        return os_failure("make the directory", options.directory);
    } else if (!options.file.empty() && options.file != "-") {
      auto file = make_file(options.file);
      if (!file) return std::unexpected(file.error());
      target.file_ = std::move(*file);
      target.path_ = options.file;
    } else {
      target.stream_ = &session.out;
    }
    return target;
  }

  bool pairs() const { return !directory_.empty(); }
  bool is_stdout() const { return stream_ != nullptr; }

  Result<void> lines(std::string_view text) {
    if (stream_ == nullptr) return write_all(file_, path_, text);
    stream_->write(text.data(), static_cast<std::streamsize>(text.size()));
    if (!stream_->good()) return fail(Errc::system, "could not write to standard output");
    return {};
  }
  Result<void> pair(const std::string& name, std::string_view envelope,
                    const std::optional<std::string>& content) {
    if (content)
      if (auto r = one(directory_ + "/" + name + ".eml", *content); !r) return r;
    return one(directory_ + "/" + name + ".json", envelope);
  }
  Result<void> finish() {
    if (stream_ != nullptr) {
      stream_->flush();
      if (!stream_->good()) return fail(Errc::system, "could not write to standard output");
      return {};
    }
    const int code = pairs() ? spool::sync_directory(directory_) : ::fsync(file_.get()) == 0 ? 0 : errno;
    if (code != 0) return os_failure("sync", pairs() ? directory_ : path_, code);
    return {};
  }

 private:
  static Result<void> one(const std::string& path, std::string_view bytes) {
    const auto file = make_file(path);
    if (!file) return std::unexpected(file.error());
    if (auto r = write_all(*file, path, bytes); !r) return r;
    if (::fsync(file->get()) != 0) return os_failure("sync", path);
    return {};
  }
  std::string directory_, path_;
  spool::File file_;
  std::ostream* stream_ = nullptr;
};

struct Filter {
  bool open = false;
  std::string domain, account;
  std::optional<WallTime> since, until;

  bool takes(const spool::Salvaged& saved) const {
    const spool::Message& message = *saved.restore->message;
    const auto& recipients = message.envelope.recipients;
    return (!open || saved.open() || saved.given_up > 0) &&
           (account.empty() || message.account.value == account) && (!since || message.accepted >= *since) &&
           (!until || message.accepted < *until) &&
           (domain.empty() || std::any_of(recipients.begin(), recipients.end(), [&](const auto& recipient) {
              return wire::domain_of(recipient.address) == domain;
            }));
  }
};

// "2026-11-21" or a time of RFC 3339 in UTC, with or without milliseconds.
std::optional<WallTime> parse_bound(std::string text) {
  if (text.size() == 10) text += "T00:00:00Z";
  if (text.size() == 20 && text.back() == 'Z') text.insert(19, ".000");
  return parse_rfc3339(text);
}

class Export {
 public:
  Export(Session& session, spool::SpoolFile& file, Target target, Filter filter,
         const SpoolExportOptions& options)
      : session_(session),
        file_(file),
        target_(std::move(target)),
        filter_(std::move(filter)),
        options_(options),
        line_(session),
        faults_([this](const spool::Fault& fault) { complain(fault_words(fault)); }) {}

  int run() {
    Result<void> done = look_for_damage();
    if (done && options_.keys) done = keys();
    if (done) done = options_.ids.empty() ? all() : chosen();
    if (done) done = target_.finish();
    line_.clear();
    if (!done) return unusable(session_, done.error());
    say_end();
    return damaged_ ? exit_faults : exit_ok;
  }

 private:
  struct Slice {
    std::string lines;
    struct Pair {
      std::string name, envelope;
      std::optional<std::string> content;
    };
    std::vector<Pair> pairs;
    std::size_t messages = 0, bytes = 0;
    bool full() const { return messages >= slice_messages || bytes >= slice_bytes; }
  };

  void complain(std::string_view what) {
    damaged_ = true;
    line_.clear();
    session_.err << "relayctl: " << safe_text(what) << "\n";
  }

  // One view of the tables. If pages are damaged it is one for all, with the leaves that were cut off.
  struct Source {
    std::shared_ptr<const spool::View> view;
    spool::Tables tables;
  };
  Result<Source> source() {
    if (damaged_source_) return *damaged_source_;
    auto view = file_.view();
    if (!view) return std::unexpected(view.error());
    Source source{std::make_shared<const spool::View>(std::move(*view)), {}};
    source.tables = spool::find_tables(*source.view, faults_);
    return source;
  }

  Result<void> look_for_damage() {
    auto first = source();
    if (!first) return std::unexpected(first.error());
    const auto totals = spool::account_pages(*first->view, first->tables, faults_);
    if (faults_.count() == 0) return {};
    auto loose = std::make_shared<spool::LooseLeaves>(spool::find_loose(first->view->pages(), totals));
    const auto found =
        std::accumulate(loose->begin(), loose->end(), std::size_t{0},
                        [](std::size_t sum, const auto& leaves) { return sum + leaves.size(); });
    if (found > 0)
      complain(
          fmt::format("{} that damage had cut off are read nevertheless", counted(found, "page", "pages")));
    first->tables.loose = std::move(loose);
    damaged_source_ = std::move(*first);
    return {};
  }

  Result<void> keys() {
    const auto from = source();
    if (!from) return std::unexpected(from.error());
    spool::RowCursor cursor(*from->view, from->tables, spool::Table::keys, faults_);
    std::string lines;
    for (bool found = cursor.first(); found; found = cursor.next()) {
      const auto payload = cursor.payload();
      if (!payload) continue;
      const auto key = spool::decode_key(cursor.key(), *payload);
      if (!key) {
        cursor.meaningless();
        continue;
      }
      lines += json::serialize(key_object(*key)) + "\n";
      ++keys_;
    }
    if (!target_.pairs()) return target_.lines(lines);
    return target_.pair("keys", lines, std::nullopt);
  }

  Result<void> all() {
    std::optional<MessageId> from = MessageId{}, last;
    while (from) {
      Slice slice;
      {
        const auto at = source();
        if (!at) return std::unexpected(at.error());
        spool::MessageWalk walk(*at->view, at->tables, faults_);
        if (!last) last = walk.newest();  // what comes in meanwhile is left out
        auto id = walk.seek(*from);
        from.reset();
        for (; id && *id <= *last; id = walk.next()) {
          if (slice.full()) {
            from = id;
            break;
          }
          add(walk, *id, slice);
        }
      }
      if (auto r = write(slice); !r) return r;
      line_.show([&] { return fmt::format("{} exported", counted(messages_, "message", "messages")); });
    }
    return {};
  }

  Result<void> chosen() {
    for (const std::string& text : options_.ids) {
      const auto id = MessageId::parse(text);
      Slice slice;
      {
        const auto at = source();
        if (!at) return std::unexpected(at.error());
        spool::MessageWalk walk(*at->view, at->tables, faults_);
        if (id && walk.seek(*id) == *id)
          add(walk, *id, slice);
        else
          complain(fmt::format("{} is not in the spool", text));
      }
      if (auto r = write(slice); !r) return r;
    }
    return {};
  }

  void add(spool::MessageWalk& walk, const MessageId& id, Slice& slice) {
    const auto message = walk.read(id);
    std::string content;
    api::Base64Encoder encoder(content);
    const bool pairs = target_.pairs();
    const auto found = walk.content(message, [&](std::string_view chunk) {
      if (pairs)
        content += chunk;
      else
        encoder.add(chunk);
    });
    encoder.finish();
    const spool::Soundness sound{.queue = is_sound(spool::Table::queue),
                                 .events = is_sound(spool::Table::events)};
    const auto saved = spool::salvage(message, found.whole, sound, session_.now);
    if (saved.restore && !filter_.takes(saved)) return;
    for (const auto& note : saved.notes) complain(fmt::format("{}: {}", id.text(), note));
    if (!saved.restore) return;
    put(*saved.restore, saved.open() && found.whole, std::move(content), slice);
    ++messages_;
    if (saved.open()) ++open_;
  }

  // No page of it is damaged, and it was found where it should be.
  bool is_sound(spool::Table table) const {
    return faults_.damaged_pages(table) == 0 && (!damaged_source_ || damaged_source_->tables[table]);
  }

  void put(const spool::Restore& restore, bool with_content, std::string content, Slice& slice) {
    std::string line = json::serialize(message_object(restore));
    ++slice.messages;
    slice.bytes += line.size() + content.size();
    if (target_.pairs()) {
      slice.pairs.push_back({restore.message->id.text(), line + "\n",
                             with_content ? std::optional(std::move(content)) : std::nullopt});
      return;
    }
    line.pop_back();  // the brace
    slice.lines += line;
    slice.lines += with_content ? R"(,"content":")" : R"(,"content":null)";
    if (with_content) {
      slice.lines += content;
      slice.lines += '"';
    }
    slice.lines += "}\n";
  }

  Result<void> write(const Slice& slice) {
    if (!target_.pairs()) return target_.lines(slice.lines);
    for (const auto& pair : slice.pairs)
      if (auto r = target_.pair(pair.name, pair.envelope, pair.content); !r) return r;
    return {};
  }

  void say_end() {
    std::ostream& to = target_.is_stdout() ? session_.err : session_.out;
    if (session_.json && !target_.is_stdout()) {
      to << json::serialize(
                json::object{{"messages", messages_}, {"open", open_}, {"keys", keys_}, {"whole", !damaged_}})
         << "\n";
      return;
    }
    if (target_.is_stdout() && !session_.progress) return;  // for a pipe the exit code says it
    to << fmt::format("Exported {}, {} of them open{}.{}\n", counted(messages_, "message", "messages"), open_,
                      options_.keys ? fmt::format(", and {}", counted(keys_, "key", "keys")) : "",
                      damaged_ ? " Not everything could be read; see above." : "");
  }

  Session& session_;
  spool::SpoolFile& file_;
  Target target_;
  Filter filter_;
  const SpoolExportOptions& options_;
  ProgressLine line_;
  spool::Faults faults_;
  std::optional<Source> damaged_source_;
  std::uint64_t messages_ = 0, open_ = 0, keys_ = 0;
  bool damaged_ = false;
};

}  // namespace

int spool_export(Session& session, const SpoolExportOptions& options) {
  Filter filter{options.open, options.domain, options.account, {}, {}};
  for (const auto& [text, bound] :
       {std::pair{&options.since, &filter.since}, {&options.until, &filter.until}}) {
    if (text->empty()) continue;
    *bound = parse_bound(*text);
    if (!*bound)
      return unusable(session, {Errc::invalid, fmt::format("{} is not a time: write 2026-11-21 or "
                                                           "2026-11-21T09:18:00Z",
                                                           *text)});
  }
  const auto file = open_spool(session, options.spool);
  if (!file) return exit_unusable;
  auto target = Target::open(session, options);
  if (!target) return unusable(session, target.error());
  return Export(session, *file, std::move(*target), std::move(filter), options).run();
}

}  // namespace relay::ctl
