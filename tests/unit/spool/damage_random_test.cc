// Any bytes of the file changed, anywhere: a store that opens never crashes, never hangs, and never shows
// anything that was not stored. RELAY_DAMAGE_SEED repeats a round, RELAY_DAMAGE_ROUNDS asks for more of them.
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "tests/unit/spool/damage.h"

using namespace relay;
using namespace relay::spool;
using namespace relay::spool::test;

namespace {

constexpr std::uint32_t messages = 150;
#ifdef __SANITIZE_THREAD__
constexpr std::uint64_t usual_rounds = 10;  // it is one thread, and slow there
#else
constexpr std::uint64_t usual_rounds = 120;
#endif

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* given = std::getenv(variable);
  return given != nullptr ? std::strtoull(given, nullptr, 10) : otherwise;
}

Sample sample(std::uint32_t n) {
  Sample s;
  s.number = n;
  s.recipients = n % 10 == 0 ? 400 : 1 + n % 4;
  s.content = some_bytes(n % 7 == 0 ? 20'000 : 300 + n * 13, n);
  s.account = n % 2 == 0 ? "even" : "odd";
  return s;
}

std::string read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_all(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// A spool in which every table has several pages and the list of free pages is not empty.
std::string make_sound() {
  TempDir directory;
  {
    const auto store = open(directory);
    for (std::uint32_t n = 1; n <= messages; ++n) apply(*store, accept(sample(n)));
    ApiKey key;
    key.id.value = "abcdefghjkmn";
    apply(*store, PutKey{key});
    for (std::uint32_t n = 1; n <= messages; n += 3)
      apply(*store, attempted({id(n), 0}, n % 2 == 0 ? Status::queued : Status::delivered));
    for (std::uint32_t n = 2; n <= messages; n += 20)
      for (std::uint32_t r = 0; r < sample(n).recipients; ++r)
        apply(*store, attempted({id(n), r}, Status::failed));
    apply(*store, Purge{at(30), 3});
  }
  return read_all(directory.spool() + "/data.mdb");
}

std::string damaged(std::string bytes, SeededRng& rng, std::size_t used) {
  const auto times = 1 + rng.below(12);
  for (std::uint64_t i = 0; i < times; ++i) {
    const std::size_t page = rng.below(used / page_bytes) * page_bytes;
    const std::size_t at = page + (rng.below(2) == 0 ? rng.below(64) : rng.below(page_bytes));
    switch (rng.below(8)) {
      case 0: bytes[at] = static_cast<char>(rng.next()); break;
      case 1: std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(page), page_bytes, '\0'); break;
      case 2:
        bytes.replace(page, page_bytes, bytes.substr(rng.below(used / page_bytes) * page_bytes, page_bytes));
        break;
      default: bytes[at] = static_cast<char>(bytes[at] ^ (1 << rng.below(8)));
    }
  }
  if (rng.below(20) == 0) bytes.resize(rng.below(used));
  return bytes;
}

// What is shown of a message must be what was stored.
void check_view(const MessageView& view, std::uint32_t n) {
  const MessagePtr was = message(sample(n));
  CHECK(view.message.subject == was->subject);
  CHECK(view.message.account == was->account);
  CHECK(view.message.size == was->size);
  REQUIRE(view.recipients.size() == was->envelope.recipients.size());
  for (std::size_t i = 0; i < view.recipients.size(); ++i)
    CHECK(view.recipients[i].address == was->envelope.recipients[i].address);
}

void read_everything(const Store& store) {
  for (std::uint32_t n = 1; n <= messages; ++n) {
    if (const auto found = store.find(id(n)); found && *found) check_view(**found, n);
    if (const auto loaded = store.load(id(n))) CHECK((*loaded)->body->flatten() == sample(n).content);
  }
  for (const auto& account : {std::optional<AccountId>(), std::optional(AccountId{"odd"})}) {
    const auto views = store.list({.account = account, .before = {}, .limit = 1000});
    if (!views) continue;
    CHECK(views->size() <= 2 * messages + 2);
    for (const MessageView& view : *views)
      for (std::uint32_t n = 1; n <= messages; ++n)
        if (view.message.id == id(n) && !view.message.subject.empty()) check_view(view, n);
  }
  if (const auto rows = store.list_queue({.domain = {}, .status = {}, .after = {}, .limit = 100'000}))
    for (const QueueRow& row : *rows)
      if (row.damage.empty()) CHECK(row.address.starts_with("r" + std::to_string(row.entry.ref.index) + "@"));
  static_cast<void>(store.counts());
  static_cast<void>(store.keys());
  static_cast<void>(store.space());
}

// False: nothing may be written any more.
bool write_something(Store& store, std::uint32_t first_new, SeededRng& rng) {
  std::vector<Operation> batch;
  for (std::uint32_t n = 1; n <= messages; ++n)
    for (std::uint32_t r = 0; r < std::min(3u, sample(n).recipients); ++r)
      if (rng.below(3) != 0)
        batch.push_back(attempted({id(n), r}, rng.below(2) == 0 ? Status::queued : Status::delivered));
  for (std::uint32_t n = 0; n < 5; ++n) batch.push_back(accept(sample(first_new + n)));
  batch.push_back(Purge{at(messages), 50});
  const auto applied = store.apply(batch);
  if (!applied) {
    CHECK_FALSE(applied.error().message.empty());
    return applied.error().code == Errc::full || applied.error().code == Errc::unavailable;
  }
  for (std::size_t i = 1; i < applied->failed.size(); ++i)
    CHECK(applied->failed[i - 1].index < applied->failed[i].index);
  for (const auto& failed : applied->failed) CHECK(failed.error.code == Errc::corrupt);
  // What was accepted is there, whatever else is not.
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const auto* accepted = std::get_if<Accept>(&batch[i]);
    const bool failed = std::any_of(applied->failed.begin(), applied->failed.end(),
                                    [&](const FailedOperation& f) { return f.index == i; });
    if (accepted == nullptr || failed) continue;
    const auto loaded = store.load(accepted->message->id);
    REQUIRE_MESSAGE(loaded.has_value(), loaded.error().message);
    CHECK((*loaded)->body->flatten() == accepted->message->body->flatten());
  }
  return true;
}

}  // namespace

TEST_CASE("random damage anywhere: no crash, an end, and nothing shown that was not stored") {
  const std::string sound = make_sound();
  const std::uint64_t rounds = number_from("RELAY_DAMAGE_ROUNDS", usual_rounds);
  const std::uint64_t given = number_from("RELAY_DAMAGE_SEED", 0);
  std::uint64_t opened = 0, written = 0;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const std::uint64_t seed = given != 0 ? given : 20261121 + round;
    CAPTURE(seed);
    SeededRng rng(seed);
    TempDir directory;
    std::filesystem::create_directory(directory.spool());
    write_all(directory.spool() + "/data.mdb", damaged(sound, rng, sound.size()));
    for (std::uint32_t start = 0; start < 2; ++start) {
      auto store = open_lmdb(settings(directory));
      if (!store) {
        CHECK_FALSE(store.error().message.empty());
        break;
      }
      ++opened;
      std::uint64_t entries = 0;
      const auto claimed = (*store)->claim([&](const QueueEntry&) { return ++entries, true; },
                                           [](const Damage&) {}, [] { return true; });
      if (claimed) CHECK(claimed->recipients == entries);
      read_everything(**store);
      if (!write_something(**store, messages + 1 + 100 * start, rng)) break;
      ++written;
      write_something(**store, messages + 50 + 100 * start, rng);
      read_everything(**store);
    }
    if (given != 0) break;
  }
  MESSAGE(opened << " of " << 2 * rounds << " starts, " << written << " written to");
  CHECK((given != 0 || opened > rounds / 2));
}
