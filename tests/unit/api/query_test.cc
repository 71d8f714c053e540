#include "relay-api/query.h"

#include <doctest/doctest.h>

using namespace relay::api;

namespace {
const std::string id = "msg_0123456789abcdefghjkmnpqrs";
}

TEST_CASE("parameters are decoded") {
  Query query("a=1%2B1&b=x+y&c=&d&e=%C3%BC&limit=7&before=" + id + "&after=" + id + ".3");
  CHECK(query.text("a") == "1+1");
  CHECK(query.text("b") == "x y");
  CHECK(!query.text("c"));
  CHECK(!query.text("d"));
  CHECK(query.text("e") == "ü");
  CHECK(query.number("limit", 50, 1, 100) == 7);
  REQUIRE(relay::MessageId::parse(id));
  CHECK(query.message("before") == relay::MessageId::parse(id));
  const auto after = query.recipient("after");
  REQUIRE(after);
  CHECK(after->index == 3);
  CHECK(cursor_of(*after) == id + ".3");
  CHECK(query.number("absent", 50, 1, 100) == 50);
  CHECK(!query.finish());
}

TEST_CASE("what is wrong with a query is named") {
  struct Case {
    std::string query, where, code;
  };
  for (const auto& [text, where, code] : {
           Case{"limit=0", "limit", "out_of_range"},
           Case{"limit=101", "limit", "out_of_range"},
           Case{"limit=x", "limit", "out_of_range"},
           Case{"limit=1x", "limit", "out_of_range"},
           Case{"limit=-1", "limit", "out_of_range"},
           Case{"limit=99999999999999999999", "limit", "out_of_range"},
           Case{"before=msg_x", "before", "invalid_id"},
           Case{"after=x", "after", "invalid_cursor"},
           Case{"after=" + id, "after", "invalid_cursor"},
           Case{"after=" + id + ".", "after", "invalid_cursor"},
           Case{"after=" + id + ".x", "after", "invalid_cursor"},
           Case{"other=1", "other", "unknown_parameter"},
           Case{"limit=1&limit=2", "limit", "duplicate"},
           Case{"limit=%4", "limit", "invalid_escape"},
           Case{"limit=%zz", "limit", "invalid_escape"},
       }) {
    CAPTURE(text);
    Query query(text);
    query.number("limit", 50, 1, 100);
    query.message("before");
    query.recipient("after");
    const auto problem = query.finish();
    REQUIRE(problem);
    CHECK(problem->status == 400);
    REQUIRE(problem->faults.size() == 1);
    CHECK(problem->faults[0].where == where);
    CHECK(problem->faults[0].code == code);
  }
}

TEST_CASE("percent-encoding goes both ways") {
  const std::string text = "a b/c?d=é+%&~.-_\x01";
  CHECK(decode_percent(encode_percent(text)) == text);
  CHECK(encode_percent("a/b c") == "a%2Fb%20c");
}
