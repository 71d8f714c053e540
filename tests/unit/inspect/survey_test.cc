#include "spool/inspect/survey.h"

#include <numeric>

#include "tests/unit/inspect/support.h"

using namespace relay;
using namespace relay::spool;
using namespace relay::spool::test;

TEST_CASE("what is in a spool is counted") {
  TempDir directory;
  fill(directory);
  const auto file = must(SpoolFile::open(directory.spool()));
  const Survey survey = must(spool::survey(*file, at(4) + std::chrono::minutes(30)));
  CHECK(survey.open() == 503);
  CHECK(survey.queued[1] == 502);
  CHECK(survey.held[1] == 1);
  CHECK(survey.untried == 501);
  CHECK(survey.due == 502);
  CHECK(survey.unreadable == 0);
  REQUIRE(survey.oldest);
  CHECK(survey.oldest->message == id(1));
  CHECK(survey.oldest->accepted == at(1));
  CHECK(survey.domains.size() == 3);
  CHECK(survey.domains.at("d1.example.net").held == 1);
  CHECK(survey.domains.at("d2.example.net").oldest == at(1));
  CHECK(survey.tables.at(0).name == "meta");
  CHECK(survey.tables.at(1).rows == 4);
  const auto used = std::accumulate(survey.tables.begin(), survey.tables.end(), std::uint64_t{2},
                                    [](std::uint64_t sum, const auto& table) { return sum + table.pages; });
  CHECK(used + survey.free_pages == survey.pages);
  CHECK(survey.free_runs <= survey.free_pages);
  CHECK(survey.longest_free_run >= 1);
  CHECK(survey.readers.empty());
}

TEST_CASE("the ages' bounds, and what is not due") {
  TempDir directory;
  {
    const auto store = open(directory);
    apply(*store, accept({.number = 1}), attempted({id(1), 0}, Status::queued, 1000));
  }
  const auto file = must(SpoolFile::open(directory.spool()));
  for (std::size_t i = 0; i < age_bounds.size(); ++i) {
    CHECK(must(survey(*file, at(1) + age_bounds[i] - std::chrono::milliseconds(1))).queued[i] == 1);
    CHECK(must(survey(*file, at(1) + age_bounds[i])).queued[i + 1] == 1);
  }
  CHECK(must(survey(*file, at(1059))).due == 0);
  CHECK(must(survey(*file, at(1060))).due == 1);
}

TEST_CASE("rows that cannot be read are counted apart") {
  TempDir directory;
  fill(directory);
  damage(directory, Table::queue,
         [](Cursor& cursor) { must(cursor.put(RowKey::recipient({id(4), 0}).view(), "x")); });
  const Survey survey = must(spool::survey(*must(SpoolFile::open(directory.spool())), at(100)));
  CHECK(survey.unreadable == 1);
  CHECK(survey.open() == 502);
}
