#include "relay-api/ctl/table.h"

#include <doctest/doctest.h>

using namespace relay::ctl;

TEST_CASE("columns are as wide as they need") {
  Table table({{"NAME"}, {"N", Column::Align::right}});
  table.add({"a", "1"});
  table.add({"longer", "1000"});
  CHECK(table.render(0) ==
        "NAME       N\n"
        "a          1\n"
        "longer  1000\n");
}

TEST_CASE("cells count, not bytes") {
  Table table({{"A"}, {"B"}});
  table.add({"Grüße", "1"});
  table.add({"日本", "2"});
  table.add({"e\xcc\x81", "3"});
  CHECK(table.render(0) ==
        "A      B\n"
        "Grüße  1\n"
        "日本   2\n"
        "e\xcc\x81      3\n");
  CHECK(display_width("日本") == 4);
  CHECK(display_width("😀") == 2);
}

TEST_CASE("a table fits the terminal by its flexible columns") {
  Table table({{"ID"}, {"ADDRESS", Column::Align::left, true}, {"TEXT", Column::Align::left, true}});
  table.add({"1234567890", "somebody@a-long-name.example", "x"});
  const std::string wide = table.render(0), narrow = table.render(30);
  CHECK(wide.find("somebody@a-long-name.example") != std::string::npos);
  CHECK(narrow ==
        "ID          ADDRESS       TEXT\n"
        "1234567890  somebody@a-…  x\n");
  // Under its least width it stays what it is.
  CHECK(table.render(5) == table.render(6));
}

TEST_CASE("text is cut at a character") {
  CHECK(cut("abc", 3) == "abc");
  CHECK(cut("abcd", 3) == "ab…");
  CHECK(cut("日本語", 4) == "日…");
  CHECK(cut("日本語", 3) == "日…");
  CHECK(cut("abc", 1) == "…");
  CHECK(cut("abc", 0).empty());
}

TEST_CASE("nothing of a peer's moves the cursor") {
  const std::string r = "\xef\xbf\xbd";
  CHECK(safe_text("a\x1b[2Jb") == "a" + r + "[2Jb");
  CHECK(safe_text("a\r\nb\t") == "a" + r + r + "b" + r);
  CHECK(safe_text("\xc2\x9b") == r);      // C1: CSI in one character
  CHECK(safe_text("\xe2\x80\xae") == r);  // right-to-left override
  CHECK(safe_text("\xff") == r);
  CHECK(safe_text("Grüße") == "Grüße");
  Table table({{"A"}});
  table.add({"\x07"});
  CHECK(table.render(0) == "A\n" + r + "\n");
}

TEST_CASE("sentences are wrapped at blanks") {
  CHECK(wrap("one two three", 0, "  ") == "  one two three\n");
  CHECK(wrap("one two three four five six seven", 24) == "one two three four five\nsix seven\n");
  CHECK(wrap("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa b", 20) ==
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nb\n");
  CHECK(wrap("", 20) == "\n");
}
