// Clients' sessions before a disk that is slow or takes nothing: the real server dialog and intake, with
// their deadlines, on the virtual clock.
#include <doctest/doctest.h>

#include <algorithm>
#include <memory>

#include "mta/intake/accept.h"
#include "mta/wire/server_dialog.h"
#include "tests/sim/world.h"

using namespace relay;
using namespace relay::sim;
using namespace std::chrono_literals;

namespace {

// A client that sends one message when it connects, and takes down what it is told.
class Client {
 public:
  Client(World& w, intake::Intake& intake) : w_(w), intake_(intake), dialog_(open_to_all(), policy_) {
    dialog_.on_open({"192.0.2.254", 40000}, nullptr, w_.loop.now());
    dialog_.on_bytes("EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<r@d0.example>\r\nDATA\r\n",
                     w_.loop.now());
    dialog_.on_bytes("Subject: hi\r\n\r\nhi\r\n.\r\n", w_.loop.now());
    asked_ = w_.loop.now();
    pump();
  }
  // The code of the reply to the message; 0: none yet.
  int code() const { return code_; }
  Duration waited() const { return answered_ - asked_; }
  const std::string& said() const { return said_; }

 private:
  static std::shared_ptr<const wire::ServerSettings> open_to_all() {
    wire::ServerSettings settings;
    settings.host_name = "relay.example";
    settings.offer_starttls = false;
    settings.require_auth = false;
    return std::make_shared<const wire::ServerSettings>(std::move(settings));
  }
  void pump() {
    if (auto action = dialog_.take_action()) submit(std::get<wire::SubmitRequest>(std::move(*action)));
    said_ += dialog_.output().take_text();
    w_.loop.cancel(timer_);
    if (dialog_.deadline() == never) return;
    timer_ = w_.loop.at(dialog_.deadline(), [this] {
      dialog_.on_timeout(w_.loop.now());
      pump();
    });
  }
  void submit(wire::SubmitRequest request) {
    intake::Submission submission;
    submission.who = {"a", "k"};
    submission.envelope = std::move(request.envelope);
    submission.content = std::move(request.content);
    submission.helo = std::move(request.helo);
    submission.peer = std::move(request.peer);
    submission.protocol = "ESMTP";
    intake_.accept(std::move(submission), w_.loop, w_.rng, [this](const intake::AcceptResult& result) {
      wire::Reply reply{250, "2.0.0", {"Ok"}};
      if (!result) reply = result.error().reply;
      code_ = reply.code;
      answered_ = w_.loop.now();
      dialog_.on_accept_result(reply, w_.loop.now());
      pump();
    });
  }

  World& w_;
  intake::Intake& intake_;
  wire::ServerPolicy policy_;
  wire::ServerDialog dialog_;
  std::string said_;
  Instant asked_{}, answered_{};
  TimerId timer_;
  int code_ = 0;
};

// The keys of the world's store, which has one.
std::unique_ptr<intake::KeyRing> with_key(World& w) {
  w.run(0s);
  spool::ApiKey key;
  key.id.value = "k";
  const spool::Operation put = spool::PutKey{key};
  RELAY_ASSERT(w.store->apply({&put, 1}).has_value());
  return std::move(*intake::KeyRing::load(*w.store, *w.writer));
}

struct Fixture {
  Fixture() {
    w.host("d0.example", "192.0.2.1");
    w.run(0s);
    dispatcher.add(w.loop, *w.scheduler);
  }
  void connect(int clients, Duration apart) {
    for (int i = 0; i < clients; ++i) {
      all.push_back(std::make_unique<Client>(w, intake));
      w.run(apart);
    }
  }
  auto with(int code) const {
    return std::ranges::count_if(all, [&](const auto& client) { return client->code() == code; });
  }
  World w{980};
  queue::Dispatcher dispatcher{*w.router};
  std::unique_ptr<intake::KeyRing> keys = with_key(w);
  intake::Intake intake{{.host_name = "relay.example"}, *w.writer, *w.store, dispatcher, *keys};
  std::vector<std::unique_ptr<Client>> all;
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "sessions wait for slow commits, two at most, and none of them runs out of time") {
  constexpr Duration commit = 4min;  // a client waits ten for this reply, RFC 5321 4.5.3.2.6
  w.commit_time = [&] { return commit; };
  connect(100, 7s);
  CHECK(with(0) > 0);
  CHECK(with(250) > 0);
  w.run(2 * commit);
  CHECK(with(250) == 100);
  for (const auto& client : all) {
    CHECK(client->waited() >= commit);
    CHECK(client->waited() <= 2 * commit);
  }
  CHECK(w.run_until_done(1h));
  CHECK(w.net.host("192.0.2.1").delivered.size() == 100);
  w.run(10min);
  // Left alone afterwards they are told so, which shows that their clocks ran.
  CHECK(std::ranges::all_of(all, [](const auto& client) { return client->said().contains("421 4.4.2"); }));
}

TEST_CASE_FIXTURE(Fixture,
                  "sessions are told at once that the disk takes nothing, and 250 as soon as it does") {
  Disk state = Disk::full;
  w.disk = [&] { return state; };
  for (const Disk passing : {Disk::full, Disk::no_room_for_mail}) {
    state = passing;
    all.clear();
    connect(10, 1s);
    CHECK(with(452) == 10);
    state = Disk::well;
    connect(1, 2s);
    CHECK(with(250) == 1);
  }
  state = Disk::failing;
  all.clear();
  connect(10, 1s);
  CHECK(with(451) == 10);
  state = Disk::well;  // and yet nothing is taken until a start
  connect(1, 1s);
  CHECK(with(451) == 11);
  CHECK(w.run_until_done(1h));
  CHECK(w.net.host("192.0.2.1").delivered.size() == 2);
}
