// World: the real scheduler and spool between a simulated writer, network and clock, with a ledger of all
// that was accepted. A test scripts hosts, submits mail, lets hours pass, and ends with check(), which holds
// store, hosts and ledger against each other (see checks.cc for the rules).
//
// Every world has a seed, printed if a check fails; RELAY_SIM_SEED=NUMBER runs every world with that one.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mta/queue/scheduler.h"
#include "tests/sim/sim_loader.h"
#include "tests/sim/sim_net.h"
#include "tests/sim/sim_store.h"
#include "tests/sim/sim_writer.h"

namespace relay::sim {

std::uint64_t seed_or(std::uint64_t usual);

class World {
 public:
  explicit World(std::uint64_t seed, queue::SchedulerSettings settings = quick());
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  static queue::SchedulerSettings quick();  // the defaults, with an EHLO name

  // A host and the domain it serves.
  SimHost& host(const std::string& domain, const std::string& address, HostScript script = {});

  // Accepts a message; it counts as acknowledged once its commit is done.
  MessageId submit(const std::vector<std::string>& recipients, const std::string& text = "Hello\r\n") {
    return submit_with(recipients, [](wire::Envelope&) {}, text);
  }
  MessageId submit_with(const std::vector<std::string>& recipients,
                        const std::function<void(wire::Envelope&)>& change,
                        const std::string& text = "Hello\r\n");
  MessageId submit_message(const std::vector<std::string>& recipients,
                           const std::function<void(spool::Message&)>& change,
                           const std::string& text = "Hello\r\n");
  bool acknowledged(const MessageId& id) const { return ledger.at(id).acknowledged; }
  std::size_t acknowledged() const;

  void run(Duration time);  // restarts after a crash
  // Until nothing is open any more, at most `time`.
  bool run_until_done(Duration time);
  void crash();    // kill -9, then start; what is found then is checked
  void restart();  // drain, then start

  spool::MessageView view(const MessageId& id);
  spool::RecipientState recipient(const MessageId& id, std::uint32_t index = 0);
  std::vector<spool::Event> events(const MessageId& id, std::uint32_t index = 0);  // of attempts and control
  queue::ControlResult control(queue::Control what, queue::Selection which = {});
  std::size_t received(const MessageId& id, const std::string& recipient) const;

  void check();

  struct Sent {
    std::vector<std::string> recipients;
    std::string body;
    bool acknowledged = false;
    std::optional<Errc> refused = std::nullopt;  // neither: no answer yet, or the process went before it
  };

  const std::uint64_t seed;
  SimLoop loop;
  SeededRng rng;
  SimDialer net;
  SimResolver resolver;
  queue::SchedulerSettings settings;
  std::unique_ptr<queue::Router> router;
  std::unique_ptr<SimStore> store;
  std::unique_ptr<spool::InFlight> in_flight;
  std::unique_ptr<SimWriter> writer;
  std::unique_ptr<SimLoader> loader;
  std::unique_ptr<queue::Scheduler> scheduler;
  std::map<MessageId, Sent> ledger;
  std::map<RecipientRef, std::uint32_t> repeats;  // as starts have counted them
  std::uint32_t crashes = 0, restarts = 0;
  bool controlled = false;    // someone retried by hand: pauses may be shorter
  std::uint64_t commits = 0;  // of every process so far, those of a start included
  // Asked at each commit's boundary, by the commit's number from 1.
  std::function<Crash(std::uint64_t)> crash_at;
  std::uint64_t crash_step = 0;           // of the loop, after which it crashes, once; 0: none
  std::function<Disk()> disk;             // see SimStore
  std::function<Duration()> commit_time;  // of each commit; 3 ms if it is empty
  spool::WriterSettings writer_settings;
  std::function<SimLoader::Act(std::uint64_t)> load_act;  // see SimLoader

 private:
  void start();
  bool start_once();
  bool ended();  // the process has
  void stop();
  void check_file();
  std::uint64_t attempts_on_record();
  void on_answer(const spool::MessagePtr& message, std::uint64_t number, const Result<void>& result);

  std::uint64_t attempts_at_start_ = 0;
  std::uint64_t submitted_ = 0, answered_ = 0;  // numbers of messages

  std::string directory_;
};

}  // namespace relay::sim
