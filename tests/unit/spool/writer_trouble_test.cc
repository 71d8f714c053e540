// What a writer does when its store is slow, full, unavailable, or failed for good, and what it says of it.
#include <algorithm>
#include <thread>

#include "tests/unit/spool/writer_support.h"

using namespace relay;
using namespace relay::spool;
using namespace relay::spool::test;
using namespace std::chrono_literals;

namespace {

// Every batch meets this error until told otherwise.
void refuse(FakeStore& store, Errc code) {
  store.answer([code](std::span<const Operation>) -> Result<Applied> { return fail(code, "not now"); });
  store.answer_probes([code]() -> Result<void> { return fail(code, "not now"); });
}
void take_again(FakeStore& store) {
  store.answer({});
  store.answer_probes({});
}

// Submits something and waits for its end, so that the writer has done all before.
std::optional<Errc> pass(ThreadWriter& writer, Home& home, Operation operation) {
  Heard heard;
  RELAY_ASSERT(writer.submit(std::move(operation), home, heard.as(0)));
  home.run_until([&] { return heard.all.size() == 1; });
  return heard.all[0].second;
}

}  // namespace

TEST_CASE("a store that cannot be written now is waited for like a full one") {
  FakeStore store;
  Home home;
  Heard heard;
  refuse(store, Errc::unavailable);
  ThreadWriter writer(store, quick());
  CHECK(pass(writer, home, mail(1)) == Errc::unavailable);
  CHECK(writer.state() == WriterState::unavailable);
  CHECK(writer.stats().reason == "not now");
  CHECK(writer.submit(outcome(2), home, heard.as(2)));
  CHECK(pass(writer, home, mail(3)) == Errc::unavailable);
  CHECK(heard.all.empty());
  CHECK(writer.unrecorded() == 1);
  take_again(store);
  home.run_until([&] { return heard.all.size() == 1; });
  CHECK(heard.all == Said{{2, ok}});
  CHECK(writer.unrecorded() == 0);
  CHECK(writer.state() == WriterState::accepting);  // an outcome was written, so mail can be
  CHECK(pass(writer, home, mail(4)) == ok);
}

TEST_CASE("a full store is asked until there is room, though nobody sends") {
  FakeStore store;
  Home home;
  store.answer([](std::span<const Operation> batch) -> Result<Applied> {
    if (has_new_mail(batch)) return fail(Errc::full, "no room");
    return Applied{};
  });
  store.answer_probes([]() -> Result<void> { return fail(Errc::full, "still no room"); });
  ThreadWriter writer(store, quick());
  CHECK(writer.state() == WriterState::accepting);
  CHECK(pass(writer, home, mail(1)) == Errc::full);
  CHECK(writer.state() == WriterState::full);
  store.wait_for_probe(3);
  CHECK(pass(writer, home, outcome(2)) == ok);  // has its reserve, and says nothing of room for mail
  CHECK(writer.state() == WriterState::full);
  CHECK(writer.stats().reason == "still no room");
  const auto batches = store.batches().size();
  take_again(store);
  while (writer.state() != WriterState::accepting) std::this_thread::yield();
  CHECK(store.batches().size() == batches);
  CHECK(writer.stats().reason.empty());
}

TEST_CASE("a probe may find that the store has failed for good") {
  FakeStore store;
  Home home;
  refuse(store, Errc::full);
  ThreadWriter writer(store, quick());
  CHECK(pass(writer, home, mail(1)) == Errc::full);
  store.answer_probes([]() -> Result<void> { return fail(Errc::system, "broken disk"); });
  while (writer.state() != WriterState::failed) std::this_thread::yield();
  store.answer({});
  CHECK(pass(writer, home, mail(2)) == Errc::system);
}

TEST_CASE("attempts count as unrecorded until their commit is done, other operations do not") {
  FakeStore store;
  Home home;
  ThreadWriter writer(store, {});
  store.close();
  CHECK(writer.submit(mail(1), home, {}));
  store.wait_for_batch(1);
  CHECK(writer.unrecorded() == 0);
  for (std::uint32_t n = 2; n <= 4; ++n) CHECK(writer.submit(outcome(n), home, {}));
  CHECK(
      writer.submit(SetStatus{.ref = {id(1), 0}, .event = {}, .status = Status::held, .due = {}}, home, {}));
  CHECK(writer.unrecorded() == 3);
  store.open();
  CHECK(pass(writer, home, mail(5)) == ok);
  CHECK(writer.unrecorded() == 0);
  CHECK(writer.stats().lost == 0);
}

TEST_CASE("attempts lost by a final error stay unrecorded") {
  FakeStore store;
  Home home;
  ThreadWriter writer(store, {});
  CHECK(pass(writer, home, outcome(1)) == ok);
  refuse(store, Errc::system);
  CHECK(pass(writer, home, outcome(2)) == Errc::system);
  take_again(store);
  CHECK(pass(writer, home, outcome(3)) == Errc::system);
  CHECK(writer.unrecorded() == 2);
  CHECK(writer.stats().lost == 2);
  CHECK(writer.stats().refusals == 1);
  CHECK(writer.stats().state == WriterState::failed);
  CHECK(writer.stats().reason == "not now");
  CHECK(writer.stop());
  CHECK(writer.stats().lost == 2);
}

TEST_CASE("attempts that find no room before the end are lost") {
  FakeStore store;
  Home home;
  refuse(store, Errc::full);
  WriterSettings settings;
  settings.full_pause = 1h;
  ThreadWriter writer(store, settings);
  for (std::uint32_t n = 1; n <= 5; ++n) CHECK(writer.submit(outcome(n), home, {}));
  CHECK(writer.stop());
  CHECK(writer.stats().lost == 5);
  CHECK(writer.unrecorded() == 5);
}

TEST_CASE("a commit that hangs does not hang the end") {
  auto store = std::make_shared<FakeStore>();
  const std::weak_ptr<FakeStore> watch = store;
  Home home;
  Heard heard;
  store->close();
  {
    WriterSettings settings;
    settings.stop_patience = 10ms;
    ThreadWriter writer(store, settings);
    CHECK(writer.submit(outcome(1), home, heard.as(1)));
    store->wait_for_batch(1);
    CHECK(writer.submit(outcome(2), home, heard.as(2)));
    CHECK(writer.submit(mail(3), home, heard.as(3)));
    CHECK_FALSE(writer.stop());
    CHECK(writer.stats().lost == 2);
    CHECK_FALSE(writer.stop());
  }
  store->open();  // it comes back, to nobody
  store.reset();
  while (!watch.expired()) std::this_thread::yield();
  CHECK(home.posts() == 0);
}

TEST_CASE("a slow commit is waited for at the end, and tells") {
  auto store = std::make_shared<FakeStore>();
  Home home;
  Heard heard;
  store->close();
  std::thread opener;
  {
    ThreadWriter writer(store, {});
    CHECK(writer.submit(mail(1), home, heard.as(1)));
    store->wait_for_batch(1);
    opener = std::thread([&] { store->open(); });
    CHECK(writer.stop());
  }
  opener.join();
  home.run();
  CHECK(heard.all == Said{{1, ok}});
}

TEST_CASE("a writer whose queue is over its bound is busy until a commit ends") {
  FakeStore store;
  Home home;
  Heard heard;
  WriterSettings settings;
  settings.queue_bytes = 20'000;
  ThreadWriter writer(store, settings);
  store.close();
  CHECK(writer.submit(mail(1, 8'000), home, heard.as(1)));
  store.wait_for_batch(1);
  CHECK(writer.submit(mail(2, 8'000), home, heard.as(2)));
  CHECK(writer.state() == WriterState::accepting);
  CHECK_FALSE(writer.submit(mail(3, 8'000), home, heard.as(3)));
  CHECK(writer.state() == WriterState::busy);
  const WriterStats stats = writer.stats();
  CHECK(stats.state == WriterState::busy);
  CHECK_FALSE(stats.reason.empty());
  CHECK(stats.waiting_bytes > 16'000);
  CHECK(stats.oldest_waiting > 0ns);
  store.open();
  home.run_until([&] { return heard.all.size() == 2; });
  CHECK(writer.state() == WriterState::accepting);
  CHECK(writer.stats().waiting_bytes == 0);
  CHECK(writer.stats().oldest_waiting == 0ns);
}

TEST_CASE(
    "an idle writer commits at once what somebody waits for; a busy one shares, mail and outcomes alike") {
  FakeStore store;
  Home home;
  Heard heard;
  WriterSettings settings;
  settings.linger = 1h;
  ThreadWriter writer(store, settings);
  for (std::uint32_t n = 1; n <= 3; ++n) CHECK(pass(writer, home, mail(n)) == ok);
  CHECK(pass(writer, home, outcome(4)) == ok);
  store.close();
  CHECK(writer.submit(mail(5), home, heard.as(5)));
  store.wait_for_batch(5);
  for (std::uint32_t n = 6; n <= 9; n += 2) {
    CHECK(writer.submit(mail(n), home, heard.as(n)));
    CHECK(writer.submit(outcome(n + 1), home, {}));
  }
  store.open();
  home.run_until([&] { return heard.all.size() == 3; });
  CHECK(store.batches() == std::vector<std::vector<std::uint32_t>>{{1}, {2}, {3}, {4}, {5}, {6, 7, 8, 9}});
  CHECK(writer.stats().last_commit > WallTime());
}

TEST_CASE("an operation that meets damage fails alone, and its attempt counts no more") {
  FakeStore store;
  Home home;
  Heard heard;
  store.answer([](std::span<const Operation> batch) -> Result<Applied> {
    Applied applied;
    for (std::size_t i = 0; i < batch.size(); ++i)
      if (const auto* o = std::get_if<Attempted>(&batch[i]); o && o->ref.message == id(3))
        applied.failed.push_back({i, {Errc::corrupt, "the queue row of 3 is damaged"}});
    return applied;
  });
  ThreadWriter writer(store, {});
  store.close();
  CHECK(writer.submit(mail(1), home, heard.as(1)));
  store.wait_for_batch(1);
  for (std::uint32_t n = 2; n <= 4; ++n) CHECK(writer.submit(outcome(n), home, heard.as(n)));
  CHECK(writer.submit(mail(5), home, heard.as(5)));
  store.open();
  home.run_until([&] { return heard.all.size() == 5; });
  CHECK(heard.all == Said{{1, ok}, {2, ok}, {3, Errc::corrupt}, {4, ok}, {5, ok}});
  CHECK(writer.unrecorded() == 0);
  CHECK(writer.stats().damaged == 1);
  CHECK(writer.stats().lost == 0);
  CHECK(writer.state() == WriterState::accepting);
}

TEST_CASE("where damage is in the place of new mail none is taken until a probe finds it well") {
  FakeStore store;
  Home home;
  store.answer([](std::span<const Operation> batch) -> Result<Applied> {
    Applied applied;
    if (has_new_mail(batch)) applied.failed.push_back({0, {Errc::corrupt, "the last page is damaged"}});
    return applied;
  });
  store.answer_probes([]() -> Result<void> { return fail(Errc::corrupt, "the last page is damaged"); });
  ThreadWriter writer(store, quick());
  CHECK(pass(writer, home, mail(1)) == Errc::corrupt);
  CHECK(writer.state() == WriterState::damaged);
  CHECK(writer.stats().reason == "the last page is damaged");
  CHECK(pass(writer, home, outcome(2)) == ok);
  store.wait_for_probe(3);
  CHECK(writer.state() == WriterState::damaged);
  take_again(store);
  while (writer.state() != WriterState::accepting) std::this_thread::yield();
}

TEST_CASE("one message that meets damage says nothing of the others") {
  FakeStore store;
  Home home;
  store.answer([](std::span<const Operation>) -> Result<Applied> {
    return Applied{.failed = {{0, {Errc::corrupt, "a page in the middle is damaged"}}}};
  });
  ThreadWriter writer(store, quick());
  CHECK(pass(writer, home, mail(1)) == Errc::corrupt);
  CHECK(writer.state() == WriterState::accepting);
}

TEST_CASE("what a probe has said before the writer begins is heeded") {
  const auto store = std::make_shared<FakeStore>();
  Home home;
  refuse(*store, Errc::full);
  ThreadWriter writer(store, quick(), nullptr, fail(Errc::full, "a small disk"));
  CHECK(writer.state() == WriterState::full);
  take_again(*store);
  while (writer.state() != WriterState::accepting) std::this_thread::yield();
  ThreadWriter broken(store, quick(), nullptr, fail(Errc::system, "a broken disk"));
  CHECK(broken.state() == WriterState::failed);
  CHECK(pass(broken, home, mail(1)) == Errc::system);
}

TEST_CASE("mail is taken again when there is room for more than what was refused") {
  FakeStore store;
  Home home;
  refuse(store, Errc::full);
  ThreadWriter writer(store, quick());
  CHECK(pass(writer, home, mail(1, 3u << 20)) == Errc::full);
  store.wait_for_probe(4);
  const auto wanted = store.probed_bytes();
  CHECK(wanted[0] >= 6u << 20);
  CHECK(wanted[0] < 7u << 20);
  CHECK(wanted[1] == wanted[0] / 2);  // a small spool may never have so much
  CHECK(wanted[3] == 1u << 20);
}

TEST_CASE("a purge says nothing of new mail") {
  for (const Errc trouble : {Errc::full, Errc::corrupt}) {
    const auto store = std::make_shared<FakeStore>();
    Home home;
    store->answer_probes([trouble]() -> Result<void> { return fail(trouble, "no place"); });
    WriterSettings patient;
    patient.full_pause = std::chrono::hours(1);
    ThreadWriter writer(store, patient, nullptr, fail(trouble, "no place"));
    const WriterState before = writer.state();
    CHECK(before == (trouble == Errc::full ? WriterState::full : WriterState::damaged));
    Heard heard;
    CHECK(writer.submit(Purge{at(1)}, home, heard.as(1)));
    home.run_until([&] { return !heard.all.empty(); });
    CHECK(writer.state() == before);
  }
}

TEST_CASE("an attempt that damage keeps from the store stays in the ledger, so that its repeat is foretold") {
  TempDir directory;
  std::filesystem::create_directory(directory.spool());
  FakeStore store;
  Home home;
  Heard heard;
  store.answer([](std::span<const Operation>) -> Result<Applied> {
    return Applied{.failed = {{1, {Errc::corrupt, "damaged"}}}};
  });
  InFlight ledger(directory.spool(), {});
  const InFlight::Attempt attempts[] = {{{id(1), 0}, 0}, {{id(2), 0}, 0}};
  const auto tickets = ledger.begin(attempts);
  {
    ThreadWriter writer(store, {}, &ledger);
    store.close();
    for (const std::uint32_t n : {1u, 2u, 3u}) {
      Attempted one = outcome(n);
      if (n > 1) one.ticket = tickets[n - 2];
      CHECK(writer.submit(std::move(one), home, heard.as(n)));
      if (n == 1) store.wait_for_batch(1);
    }
    store.open();
    home.run_until([&] { return heard.all.size() == 3; });
    CHECK(writer.stop());
  }
  CHECK(ledger.stats().noted == 1);
}

TEST_CASE("damage among outcomes that are stored without the rest of their batch is told to the right one") {
  FakeStore store;
  Home home;
  Heard heard;
  store.answer([](std::span<const Operation> batch) -> Result<Applied> {
    if (has_new_mail(batch)) return fail(Errc::full, "no room");
    Applied applied;
    if (batch.size() == 3) applied.failed.push_back({1, {Errc::corrupt, "damaged"}});
    return applied;
  });
  ThreadWriter writer(store, {});
  store.close();
  CHECK(writer.submit(outcome(1), home, heard.as(1)));
  store.wait_for_batch(1);
  CHECK(writer.submit(outcome(2), home, heard.as(2)));
  CHECK(writer.submit(mail(3), home, heard.as(3)));
  CHECK(writer.submit(outcome(4), home, heard.as(4)));
  CHECK(writer.submit(outcome(5), home, heard.as(5)));
  store.open();
  home.run_until([&] { return heard.all.size() == 5; });
  CHECK(heard.all == Said{{1, ok}, {2, ok}, {3, Errc::full}, {4, Errc::corrupt}, {5, ok}});
}

TEST_CASE("the store is synced a while after the last commit, and at the end") {
  FakeStore store;
  Home home;
  WriterSettings settings;
  settings.sync_pause = 1ms;
  {
    ThreadWriter writer(store, settings);
    CHECK(pass(writer, home, mail(1)) == ok);
    CHECK(store.wait_for_sync(1) == std::vector<std::size_t>{1});
  }
  CHECK(store.wait_for_sync(1).size() == 1);  // nothing was left to sync
  settings.sync_pause = 1h;
  {
    ThreadWriter writer(store, settings);
    CHECK(pass(writer, home, mail(2)) == ok);
    CHECK(pass(writer, home, mail(3)) == ok);
  }
  CHECK(store.wait_for_sync(2) == std::vector<std::size_t>{1, 3});
}

TEST_CASE("a failed sync is final") {
  FakeStore store;
  Home home;
  WriterSettings settings;
  settings.sync_pause = 1ms;
  store.answer_syncs([]() -> Result<void> { return fail(Errc::full, "nothing can be known now"); });
  ThreadWriter writer(store, settings);
  CHECK(pass(writer, home, mail(1)) == ok);
  while (writer.state() != WriterState::failed) std::this_thread::yield();
  CHECK(pass(writer, home, mail(2)) == Errc::full);
  CHECK(store.batches().size() == 1);
}
