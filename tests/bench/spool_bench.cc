// How fast the spool takes mail: raw LMDB puts, the store's batches, and the writer thread under load.
// Usage: bench_spool DIRECTORY [BODY_BYTES] [SECONDS_PER_LINE]   (works in bench_spool under it, and removes
// that)
#include <fmt/format.h>
#include <lmdb.h>

#include <atomic>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "mta/base/rng.h"
#include "spool/lmdb.h"
#include "spool/writer.h"

namespace {

using namespace relay;
using namespace relay::spool;
using Steady = std::chrono::steady_clock;

struct Options {
  std::string directory;
  std::size_t body_bytes = 3000;
  double seconds = 2;
};

double since(Steady::time_point start) {
  return std::chrono::duration<double>(Steady::now() - start).count();
}

void line(std::string_view what, std::size_t batch, double commits, double messages, double seconds) {
  fmt::print("{:<34} batch {:>6}  {:>8.0f} commits/s  {:>9.0f} messages/s\n", what, batch, commits / seconds,
             messages / seconds);
}

// Messages as they come: ids of one clock, bodies shared so that making them costs little.
class Source {
 public:
  explicit Source(std::size_t body_bytes)
      : body_(std::make_shared<const Body>(std::string(body_bytes, 'x'))) {}
  MessagePtr next() {
    Message m;
    m.id = MessageId::make(system_wall(), rng_);
    m.account.value = "acme";
    m.key.value = "abcdefghjkmn";
    m.accepted = m.id.time();
    m.envelope.reverse_path = "sender@example.org";
    m.envelope.recipients.push_back({"somebody@example.net"});
    m.from = "Sender <sender@example.org>";
    m.subject = "A subject of the usual length, more or less";
    m.rfc_message_id = "01234567890123456789@example.org";
    m.body = body_;
    m.size = body_->size();
    return std::make_shared<const Message>(std::move(m));
  }

 private:
  SystemRng rng_;
  BodyPtr body_;
};

Attempted delivered(const MessageId& id) {
  Attempted outcome;
  outcome.ref = {id, 0};
  outcome.status = Status::delivered;
  outcome.event.type = EventType::delivered;
  outcome.event.at = id.time();
  outcome.event.stage = "sending the message";
  outcome.event.host = "mx.example.net [192.0.2.1]:25";
  outcome.event.reply = {250, "2.0.0", {"Ok: queued as 4ZqFJk1B2Cz3"}};
  return outcome;
}

std::string fresh(const Options& options) {
  std::filesystem::remove_all(options.directory);
  return options.directory;
}

std::unique_ptr<Store> open_fresh(const Options& options) {
  auto store = open_lmdb({.directory = fresh(options)});
  if (!store) {
    fmt::print(stderr, "{}\n", store.error().message);
    std::exit(1);
  }
  return std::move(*store);
}

void stop_on(int code) {
  if (code == 0) return;
  fmt::print(stderr, "{}\n", mdb_strerror(code));
  std::exit(1);
}

// What LMDB can do at all: one value of a message's size for each message.
void raw(const Options& options, std::size_t batch) {
  std::filesystem::create_directories(fresh(options));
  MDB_env* env = nullptr;
  stop_on(mdb_env_create(&env));
  stop_on(mdb_env_set_mapsize(env, 64ull << 30));
  stop_on(mdb_env_open(env, options.directory.c_str(), MDB_NORDAHEAD, 0600));
  Source source(options.body_bytes);
  const std::string value(options.body_bytes, 'x');
  std::size_t commits = 0;
  const auto start = Steady::now();
  for (; since(start) < options.seconds; ++commits) {
    MDB_txn* txn = nullptr;
    MDB_dbi dbi = 0;
    stop_on(mdb_txn_begin(env, nullptr, 0, &txn));
    stop_on(mdb_dbi_open(txn, nullptr, 0, &dbi));
    for (std::size_t i = 0; i < batch; ++i) {
      const MessagePtr m = source.next();
      MessageId id = m->id;
      MDB_val k{id.bytes.size(), id.bytes.data()};
      MDB_val v{value.size(), const_cast<char*>(value.data())};
      stop_on(mdb_put(txn, dbi, &k, &v, 0));
    }
    stop_on(mdb_txn_commit(txn));
  }
  line("LMDB, one put a message", batch, static_cast<double>(commits), static_cast<double>(commits * batch),
       since(start));
  mdb_env_close(env);
}

void must_apply(Store& store, const std::vector<Operation>& operations) {
  if (const auto r = store.apply(operations); !r) {
    fmt::print(stderr, "{}\n", r.error().message);
    std::exit(1);
  }
}

void accepts(const Options& options, std::size_t batch) {
  const auto store = open_fresh(options);
  Source source(options.body_bytes);
  std::size_t commits = 0;
  const auto start = Steady::now();
  for (; since(start) < options.seconds; ++commits) {
    std::vector<Operation> operations;
    for (std::size_t i = 0; i < batch; ++i) {
      MessagePtr m = source.next();
      const WallTime due = m->accepted;
      operations.push_back(Accept{std::move(m), due});
    }
    must_apply(*store, operations);
  }
  line("store, accept", batch, static_cast<double>(commits), static_cast<double>(commits * batch),
       since(start));
}

// Each batch accepts some and records that those of the batch before are delivered.
void accepts_and_outcomes(const Options& options, std::size_t batch) {
  const auto store = open_fresh(options);
  Source source(options.body_bytes);
  std::size_t commits = 0;
  std::vector<MessageId> before;
  const auto start = Steady::now();
  for (; since(start) < options.seconds; ++commits) {
    std::vector<Operation> operations;
    for (const auto& id : before) operations.push_back(delivered(id));
    before.clear();
    for (std::size_t i = 0; i < batch; ++i) {
      MessagePtr m = source.next();
      before.push_back(m->id);
      const WallTime due = m->accepted;
      operations.push_back(Accept{std::move(m), due});
    }
    must_apply(*store, operations);
  }
  line("store, accept and outcome", batch, static_cast<double>(commits), static_cast<double>(commits * batch),
       since(start));
}

// A thread that runs what is posted, as a loop does.
class Runner final : public Executor {
 public:
  Runner() : thread_([this] { run(); }) {}
  ~Runner() override {
    post({});
    thread_.join();
  }
  void post(Task task) override {
    {
      const std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(task));
    }
    changed_.notify_one();
  }

 private:
  void run() {
    for (;;) {
      Task task;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return !tasks_.empty(); });
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      if (!task) return;
      task();
    }
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> tasks_;
  std::thread thread_;
};

// `clients` messages under way at any moment; each commit of one submits its outcome and the next message.
struct Load {
  Writer& writer;
  Runner& home;
  Source& source;
  std::atomic<bool> more = true;
  std::atomic<std::size_t> accepted = 0, open = 0;

  void one() {
    MessagePtr m = source.next();
    const MessageId id = m->id;
    const WallTime due = m->accepted;
    const bool taken = writer.submit(Accept{std::move(m), due}, home, [this, id](const Result<void>& result) {
      if (result) ++accepted;
      const bool outcome = writer.submit(delivered(id), home, {});
      if (more && result && outcome)
        one();
      else
        --open;
    });
    if (!taken) --open;
  }
};

void through_writer(const Options& options, std::size_t clients) {
  const auto store = open_fresh(options);
  Source source(options.body_bytes);
  Runner home;
  WriterStats stats;
  double seconds = 0;
  std::size_t accepted = 0;
  {
    ThreadWriter writer(*store, {});
    Load load{.writer = writer, .home = home, .source = source};
    load.open = clients;
    const auto start = Steady::now();
    home.post([&] {
      for (std::size_t i = 0; i < clients; ++i) load.one();
    });
    std::this_thread::sleep_for(std::chrono::duration<double>(options.seconds));
    seconds = since(start);
    stats = writer.stats();
    accepted = load.accepted;
    load.more = false;
    while (load.open > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  line("writer, accept and outcome", clients, static_cast<double>(stats.commits),
       static_cast<double>(accepted), seconds);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: bench_spool DIRECTORY [BODY_BYTES] [SECONDS_PER_LINE]\n");
    return 2;
  }
  Options options{.directory = std::string(argv[1]) + "/bench_spool"};
  const std::string_view bytes = argc > 2 ? argv[2] : "3000";
  const std::string_view seconds = argc > 3 ? argv[3] : "2";
  std::from_chars(bytes.data(), bytes.data() + bytes.size(), options.body_bytes);
  std::from_chars(seconds.data(), seconds.data() + seconds.size(), options.seconds);
  for (const std::size_t batch : {1, 10, 100, 1000, 5000}) raw(options, batch);
  for (const std::size_t batch : {1, 10, 100, 1000, 5000}) accepts(options, batch);
  for (const std::size_t batch : {1, 10, 100, 1000, 5000}) accepts_and_outcomes(options, batch);
  for (const std::size_t clients : {1, 10, 100, 1000, 5000}) through_writer(options, clients);
  std::filesystem::remove_all(options.directory);
  return 0;
}
