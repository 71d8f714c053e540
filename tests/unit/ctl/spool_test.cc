// relayctl spool …: the commands on spools made here, without a relayd.
#include <unistd.h>

#include <boost/json.hpp>
#include <sstream>

#include "relay-api/ctl/cli.h"
#include "relay-api/explain.h"
#include "spool/inspect/tables.h"
#include "tests/unit/inspect/support.h"

using namespace relay;
using namespace relay::ctl;
using spool::Table;
using spool::test::damage;
using spool::test::fill;
using spool::test::id;
using spool::test::TempDir;
namespace json = boost::json;

namespace {

struct Ran {
  int code = 0;
  std::string out, err;
};

struct World {
  std::string in;
  Result<Reply> relayd = fail(Errc::unavailable, "relayd is not running");
  std::string configured;
  bool progress = false;
  std::size_t width = 0;
};

Ran run_words(std::vector<std::string> words, const World& world = {}) {
  std::ostringstream out, err;
  std::istringstream in(world.in);
  std::vector<const char*> argv{"relayctl", "spool"};
  for (const auto& word : words) argv.push_back(word.c_str());
  Instant clock;
  Environment environment{[&](const std::string&) -> Transport {
                            return [&](const auto& method, const auto& path, const auto&) {
                              CHECK(method + " " + path == "GET /admin/v1/spool");
                              return world.relayd;
                            };
                          },
                          [](const sink::SinkOptions&) { return 0; },
                          out,
                          err,
                          world.width,
                          spool::test::at(1000),
                          &in,
                          world.progress,
                          [&clock] { return clock += std::chrono::seconds(1); },
                          [&](const std::string& file) -> Result<std::string> {
                            if (file == "relay.yaml") return world.configured;
                            return fail(Errc::invalid, file + ": cannot be read");
                          }};
  Ran ran;
  ran.code = run(static_cast<int>(argv.size()), argv.data(), environment);
  ran.out = out.str();
  ran.err = err.str();
  return ran;
}

std::string text_at(const json::value& value, const char* pointer) {
  return std::string(value.at_pointer(pointer).as_string());
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::string read_all(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void break_row(const TempDir& directory) {
  damage(directory, Table::queue, [](spool::Cursor& c) {
    spool::test::must(c.put(spool::RowKey::recipient({id(4), 0}).view(), "x"));
  });
}

}  // namespace

TEST_CASE("check says what it has looked at, and exits with 0") {
  TempDir d;
  fill(d);
  const Ran ran = run_words({"check", "--spool", d.spool()});
  CHECK(ran.code == 0);
  CHECK(ran.err == "");
  CHECK(ran.out.find("Spool     " + d.spool() + "; relayd does not run on it\n") == 0);
  CHECK(ran.out.find("Checked   4 messages, 505 recipients (503 open), 1 key\n") != std::string::npos);
  CHECK(ran.out.find("\nResult    no fault\n") != std::string::npos);
  const Ran as_json = run_words({"check", "--spool", d.spool(), "--json"});
  const json::value report = json::parse(as_json.out);
  CHECK(report.at("clean").as_bool());
  CHECK(report.at("open_recipients").as_int64() == 503);
  CHECK(report.at("faults").as_array().empty());
  CHECK(report.at_pointer("/pages/total").as_int64() > 10);
  CHECK(json::parse(run_words({"check", "--no-pages", "--spool", d.spool(), "--json"}).out)
            .at("pages")
            .is_null());
}

TEST_CASE("faults are a line each, exit 1, and whole in JSON") {
  TempDir d;
  fill(d);
  break_row(d);
  const Ran ran = run_words({"check", "--spool", d.spool()});
  CHECK(ran.code == 1);
  const std::string fault =
      "- " + id(4).text() +
      ", recipient 0, table queue: its row in the queue is damaged: its checksum does not hold. The "
      "recipient is open, and is not delivered.";
  CHECK(lines_of(ran.out).at(1) == fault);
  CHECK(lines_of(ran.out).back() == "Result    1 fault");
  const Ran narrow = run_words({"check", "--spool", d.spool()}, {.in = "", .configured = "", .width = 60});
  for (const auto& line : lines_of(narrow.out))
    if (line.starts_with("- ") || line.starts_with("  ")) CHECK(line.size() <= 60);
  const json::value report = json::parse(run_words({"check", "--spool", d.spool(), "--json"}).out);
  CHECK_FALSE(report.at("clean").as_bool());
  CHECK(text_at(report, "/faults/0/kind") == "record_damaged");
  CHECK(text_at(report, "/faults/0/table") == "queue");
  CHECK(text_at(report, "/faults/0/message") == id(4).text());
  CHECK(report.at_pointer("/faults/0/recipient").as_int64() == 0);
}

TEST_CASE("a spool that cannot be looked at is exit 2 and one sentence") {
  TempDir d;
  for (const auto& words :
       {std::vector<std::string>{"check"}, {"stats"}, {"backup", d.spool() + ".b"}, {"export"}}) {
    auto all = words;
    all.insert(all.end(), {"--spool", d.spool()});
    const Ran ran = run_words(all);
    CHECK(ran.code == 2);
    CHECK(ran.out == "");
    CHECK(ran.err.find("relayctl: there is no spool " + d.spool()) == 0);
    CHECK(lines_of(ran.err).size() == 1);
  }
  CHECK(run_words({"check", "--spool", "a", "--config", "b"}).code == 2);
  CHECK(run_words({"dance"}).code == 2);
  CHECK(run_words({"backup"}).code == 2);
}

TEST_CASE("which spool: given, configured, or that of the relayd that answers") {
  TempDir d;
  fill(d);
  World world;
  world.configured = d.spool();
  CHECK(run_words({"check", "--config", "relay.yaml"}, world).code == 0);
  CHECK(run_words({"check", "--config", "other.yaml"}, world).err ==
        "relayctl: other.yaml: cannot be read\n");
  world.relayd = Reply{200, "application/json", json::serialize(json::object{{"directory", d.spool()}})};
  CHECK(run_words({"check"}, world).code == 0);
  world.relayd = fail(Errc::unavailable, "relayd is not running");
  const Ran ran = run_words({"check", "--socket", "/x"}, world);
  CHECK(ran.code == 2);
  CHECK(ran.err ==
        "relayctl: relayd cannot be asked where its spool is (relayd is not running): name it with "
        "--spool\n");
}

TEST_CASE("stats in words and in JSON") {
  TempDir d;
  fill(d);
  const Ran ran = run_words({"stats", "--spool", d.spool(), "--domains", "1"});
  CHECK(ran.code == 0);
  CHECK(ran.out.find("OPEN    <5m  <1h  <4h  <1d  <3d  older  ALL\nqueued    0  502") != std::string::npos);
  CHECK(ran.out.find("2 domains more: add --domains 3\n") != std::string::npos);
  CHECK(ran.out.find("The oldest is " + id(1).text() + ", accepted 1970-01-01 00:00:01Z (16m ago).") !=
        std::string::npos);
  const json::value stats = json::parse(run_words({"stats", "--spool", d.spool(), "--json"}).out);
  CHECK(stats.at_pointer("/open/recipients").as_int64() == 503);
  CHECK(stats.at_pointer("/open/held/1h").as_int64() == 1);
  CHECK(stats.at("domains").as_array().size() == 3);
  CHECK(text_at(stats, "/open/oldest/accepted_at") == "1970-01-01T00:00:01.000Z");
}

TEST_CASE("a backup is checked") {
  TempDir d;
  fill(d);
  const Ran ran = run_words({"backup", d.spool() + ".b", "--spool", d.spool()});
  CHECK(ran.code == 0);
  CHECK(ran.out.find("Backup    " + d.spool() + ".b, ") != std::string::npos);
  CHECK(lines_of(ran.out).back() == "Result    no fault");
  const Ran again = run_words({"backup", d.spool() + ".b", "--spool", d.spool()});
  CHECK(again.code == 2);
  CHECK(again.err.find("exists already") != std::string::npos);
  break_row(d);
  CHECK(run_words({"backup", d.spool() + ".c", "--spool", d.spool()}).code == 1);
  const Ran unchecked = run_words({"backup", d.spool() + ".d", "--no-check", "--json", "--spool", d.spool()});
  CHECK(unchecked.code == 0);
  CHECK(json::parse(unchecked.out).at("check").is_null());
}

TEST_CASE("export, import and export again: the same lines, in a spool without faults") {
  TempDir d, other, third;
  fill(d);
  const Ran exported = run_words({"export", "--keys", "--spool", d.spool()});
  CHECK(exported.code == 0);
  CHECK(exported.err == "");
  CHECK(lines_of(exported.out).size() == 1 + 4);
  World world;
  world.in = exported.out;
  const Ran would = run_words({"import", "-", "--dry-run", "--spool", other.spool()}, world);
  CHECK(would.out.find("Would import 4 messages and 1 key; 0 were there already.\n") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(other.spool()));
  const Ran imported = run_words({"import", "-", "--spool", other.spool()}, world);
  CHECK(imported.code == 0);
  CHECK(imported.out ==
        "Spool     " + other.spool() + "\nImported 4 messages and 1 key; 0 were there already.\n");
  CHECK(run_words({"check", "--spool", other.spool()}).code == 0);
  CHECK(run_words({"export", "--keys", "--spool", other.spool()}).out == exported.out);
  const Ran twice = run_words({"import", "-", "--json", "--spool", other.spool()}, world);
  CHECK(twice.out == R"({"messages":0,"keys":0,"present":5,"refused":0,"dry_run":false,"finished":true})"
                     "\n");

  // The same by pairs of files.
  const std::string pairs = d.spool() + ".pairs";
  CHECK(run_words({"export", "--keys", "--to", pairs, "--spool", d.spool()}).out ==
        "Exported 4 messages, 3 of them open, and 1 key.\n");
  CHECK(read_all(pairs + "/" + id(1).text() + ".eml") == spool::test::some_bytes(10'000, 1));
  CHECK_FALSE(std::filesystem::exists(pairs + "/" + id(2).text() + ".eml"));  // finished
  CHECK(run_words({"export", "--to", pairs, "--spool", d.spool()}).code == 2);
  CHECK(run_words({"import", pairs, "--spool", third.spool()}).code == 0);
  CHECK(run_words({"export", "--keys", "--spool", third.spool()}).out == exported.out);
}

TEST_CASE("an import is what the relay goes on with: exactly the open recipients") {
  TempDir d, other;
  fill(d);
  World world;
  world.in = run_words({"export", "--spool", d.spool()}).out;
  run_words({"import", "-", "--spool", other.spool()}, world);
  const auto queue_of = [](const TempDir& directory) {
    std::vector<std::string> all;
    const auto store = spool::test::open(directory);
    const auto each = [&](const spool::QueueEntry& e) {
      all.push_back(e.ref.message.text() + std::to_string(e.ref.index) + std::string(spool::text(e.status)) +
                    format_rfc3339(e.due) + std::to_string(e.attempts) + e.domain);
      return true;
    };
    spool::test::must(
        store->claim(each, [](const spool::Damage& damage) { FAIL(damage.what); }, [] { return true; }));
    return all;
  };
  CHECK(queue_of(d).size() == 503);
  CHECK(queue_of(other) == queue_of(d));
}

TEST_CASE("which messages are exported") {
  TempDir d;
  fill(d);
  const auto exported = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"export", "--spool", d.spool()});
    std::string numbers;
    for (const auto& line : lines_of(run_words(words).out))
      numbers += std::to_string(
          MessageId::parse(text_at(json::parse(line), "/id"))->time().time_since_epoch().count() / 1000);
    return numbers;
  };
  CHECK(exported({}) == "1234");
  CHECK(exported({"--open"}) == "134");
  CHECK(exported({"--account", "other"}) == "3");
  CHECK(exported({"--domain", "d1.example.net"}) == "13");
  CHECK(exported({"--id", id(4).text(), "--id", id(2).text()}) == "42");
  CHECK(exported({"--since", "1970-01-01T00:00:02Z"}) == "234");
  CHECK(exported({"--since", "1970-01-01T00:00:02.500Z", "--until", "1970-01-01T00:00:04Z"}) == "3");
  CHECK(exported({"--until", "1970-01-02"}) == "1234");
  CHECK(run_words({"export", "--since", "soon", "--spool", d.spool()}).code == 2);
  const Ran missing = run_words({"export", "--id", "msg_nothing", "--spool", d.spool()});
  CHECK(missing.code == 1);
  CHECK(missing.err == "relayctl: msg_nothing is not in the spool\n");
}

TEST_CASE("a file is its owner's, is not overwritten, and says what it has") {
  TempDir d;
  fill(d);
  const std::string file = d.spool() + ".ndjson";
  CHECK(run_words({"export", "--file", file, "--spool", d.spool()}).out ==
        "Exported 4 messages, 3 of them open.\n");
  CHECK((std::filesystem::status(file).permissions() & std::filesystem::perms::all) ==
        (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
  CHECK(lines_of(read_all(file)).size() == 4);
  const Ran again = run_words({"export", "--file", file, "--spool", d.spool()});
  CHECK(again.code == 2);
  CHECK(again.err.find("File exists") != std::string::npos);
}

TEST_CASE("of a damaged spool everything else is exported, named, and taken by an import") {
  TempDir d, other;
  fill(d);
  break_row(d);
  damage(d, Table::messages,
         [](spool::Cursor& c) { spool::test::must(c.put(spool::RowKey::message(id(3)).view(), "x")); });
  const Ran ran = run_words({"export", "--spool", d.spool()});
  CHECK(ran.code == 1);
  CHECK(lines_of(ran.out).size() == 3);
  CHECK(ran.err.find(id(3).text() + ": it cannot be exported") != std::string::npos);
  CHECK(ran.err.find(id(4).text() + ": recipient r0@d0.example.net: its row") != std::string::npos);
  World world;
  world.in = ran.out;
  CHECK(run_words({"import", "-", "--spool", other.spool()}, world).code == 0);
  CHECK(run_words({"check", "--spool", other.spool()}).code == 0);
}

TEST_CASE("a message whose content is damaged is saved with its history, and why tells") {
  TempDir d, other;
  fill(d);
  damage(d, Table::bodies,
         [](spool::Cursor& c) { spool::test::must(c.put(spool::RowKey::part(id(1), 1).view(), "x")); });
  for (const auto& words : {std::vector<std::string>{"export"}, {"export", "--open"}}) {
    auto all = words;
    all.insert(all.end(), {"--spool", d.spool()});
    const Ran ran = run_words(all);
    CHECK(ran.code == 1);
    CHECK(ran.err.find(id(1).text() + ": its content is damaged") != std::string::npos);
    CHECK(ran.out.find(id(1).text()) != std::string::npos);
  }
  World world;
  world.in = run_words({"export", "--spool", d.spool()}).out;
  CHECK(run_words({"import", "-", "--spool", other.spool()}, world).code == 0);
  CHECK(run_words({"check", "--spool", other.spool()}).code == 0);
  const auto store = spool::test::open(other);
  const auto view = spool::test::must(store->find(id(1)));
  REQUIRE(view);
  CHECK(view->recipients[0].status == spool::Status::delivered);
  CHECK(api::explain(*view, 2, spool::test::at(6000)) ==
        "Cancelled: the content of the message was damaged; it will not be delivered.");
}

TEST_CASE("what a damaged page has cut off is found again, and nothing old with it") {
  using spool::Status;
  TempDir d;
  {
    const auto store = spool::test::open(d);
    for (std::uint32_t n = 1; n <= 400; ++n)
      spool::test::apply(*store, spool::test::accept({.number = n, .recipients = n == 7 ? 900u : 2u}),
                         spool::test::attempted({id(n), 0}, n % 2 ? Status::delivered : Status::queued),
                         spool::test::attempted({id(n), 1}, n % 3 ? Status::delivered : Status::queued));
  }
  const std::string sound = run_words({"export", "--spool", d.spool()}).out;
  REQUIRE(lines_of(sound).size() == 400);
  const std::string bytes = read_all(d.spool() + "/data.mdb");
  std::vector<spool::PageNumber> roots;
  {
    const auto file = spool::test::must(spool::SpoolFile::open(d.spool()));
    const auto view = spool::test::must(file->view());
    spool::Faults quiet([](const spool::Fault&) {});
    const auto tables = spool::find_tables(view, quiet);
    roots.push_back(view.meta().main.root);
    for (const Table table : {Table::messages, Table::bodies, Table::queue, Table::events}) {
      REQUIRE(tables[table]->depth > 1);
      roots.push_back(tables[table]->root);
    }
  }
  for (const auto root : roots) {
    CAPTURE(root);
    std::string damaged = bytes;
    std::fill_n(damaged.begin() + static_cast<std::ptrdiff_t>(root * 4096), 4096, 'x');
    std::ofstream(d.spool() + "/data.mdb", std::ios::binary | std::ios::trunc) << damaged;
    const Ran ran = run_words({"export", "--spool", d.spool()});
    CHECK(ran.code == 1);
    CHECK(ran.err.find("that damage had cut off are read nevertheless") != std::string::npos);
    CHECK((ran.out == sound));
    CHECK(run_words({"check", "--spool", d.spool()}).code == 1);
  }
}

TEST_CASE("a line that is wrong is named, nothing of it is stored, and the rest goes on") {
  TempDir d, other;
  fill(d);
  auto lines = lines_of(run_words({"export", "--spool", d.spool()}).out);
  World world;
  lines.at(0).replace(lines.at(0).find("\"account\""), 9, "\"acount\"");
  lines.at(2).resize(100);
  for (const auto& line : lines) world.in += line + "\n";
  world.in += "\n";
  for (const bool dry : {true, false}) {
    std::vector<std::string> words{"import", "-", "--spool", other.spool()};
    if (dry) words.push_back("--dry-run");
    const Ran ran = run_words(words, world);
    CHECK(ran.code == 1);
    CHECK(lines_of(ran.err) ==
          std::vector<std::string>{
              "relayctl: standard input, line 1, " + id(1).text() + ": account: it is missing",
              "relayctl: standard input, line 3, " + id(3).text() + ": it is not JSON, or not all of it"});
    CHECK(lines_of(ran.out).back() == std::string(dry ? "Would import" : "Imported") +
                                          " 2 messages; 0 were there already; 2 refused, see above.");
  }
  CHECK(spool::test::must(spool::test::open(other)->counts()).messages == 2);
}

TEST_CASE("a source that cannot be read leaves nothing behind") {
  TempDir other;
  for (const char* source : {"/nowhere/at/all", "/proc/self/mem"}) {
    CAPTURE(source);
    const Ran ran = run_words({"import", source, "--spool", other.spool()});
    CHECK(ran.code == 2);
    CHECK(ran.out == "");
    CHECK(ran.err.starts_with("relayctl: could not "));
    CHECK(ran.err.find(source) != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(other.spool()));
  }
}

TEST_CASE("nothing of a pipe is lost to the look at the source") {
  TempDir d, other;
  fill(d);
  const std::string lines = run_words({"export", "--open", "--domain", "d1.example.net", "--id", id(1).text(),
                                       "--spool", d.spool()})
                                .out;
  REQUIRE(lines.size() < 60'000);  // a pipe holds so much
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  REQUIRE(::write(ends[1], lines.data(), lines.size()) == static_cast<ssize_t>(lines.size()));
  ::close(ends[1]);
  CHECK(run_words({"import", "/dev/fd/" + std::to_string(ends[0]), "--spool", other.spool()}).code == 0);
  ::close(ends[0]);
  CHECK(spool::test::must(spool::test::open(other)->counts()).messages == 1);
}

TEST_CASE("a spool in use is not imported into, and it is said what to do") {
  TempDir d;
  fill(d);
  const auto store = spool::test::open(d);
  const Ran ran = run_words({"import", "-", "--spool", d.spool()});
  CHECK(ran.code == 2);
  CHECK(ran.err.find("is in use by process") != std::string::npos);
  CHECK(ran.err.find("stop relayd, import, and start it again\n") != std::string::npos);
}

TEST_CASE("long lines come and go whole") {
  TempDir d, other;
  {
    const auto store = spool::test::open(d);
    spool::test::apply(*store,
                       spool::test::accept({.number = 1, .content = spool::test::some_bytes(3'000'000, 1)}),
                       spool::test::accept({.number = 2, .content = ""}));
    for (std::uint32_t n = 3; n < 200; ++n)
      spool::test::apply(
          *store, spool::test::accept({.number = n, .content = spool::test::some_bytes(48'000 + n, n)}));
  }
  World world;
  world.in = run_words({"export", "--spool", d.spool()}).out;
  CHECK(run_words({"import", "-", "--spool", other.spool()}, world).code == 0);
  CHECK(run_words({"export", "--spool", other.spool()}).out == world.in);
  CHECK(run_words({"check", "--spool", other.spool()}).code == 0);
}

TEST_CASE("on a terminal long work says how far it is, and takes it back") {
  TempDir d;
  fill(d);
  World world;
  world.progress = true;
  const Ran ran = run_words({"check", "--spool", d.spool()}, world);
  CHECK(ran.err.find("of 4 messages checked\x1b[K") != std::string::npos);
  CHECK(ran.err.ends_with("\r\x1b[K"));
  CHECK(ran.out.find('\r') == std::string::npos);
}
