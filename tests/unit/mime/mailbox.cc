#include <doctest/doctest.h>

#include "mta/mime/compose.h"

using relay::mime::parse_mailbox;
using relay::mime::parse_mailboxes;
using namespace std::string_literals;

TEST_CASE("mailboxes") {
  struct Case {
    std::string text, name, address;
  };
  const Case cases[] = {
      {"a@b.example", "", "a@b.example"},
      {"  a@B.Example  ", "", "a@b.example"},
      {"<a@b.example>", "", "a@b.example"},
      {"Ann <a@b.example>", "Ann", "a@b.example"},
      {"Ann<a@b.example>", "Ann", "a@b.example"},
      {"Ann  Bee\t<a@b.example> ", "Ann Bee", "a@b.example"},
      {"John Q. Public <j@b.example>", "John Q. Public", "j@b.example"},
      {"\"N, M\" <a@b.example>", "N, M", "a@b.example"},
      {"\"a \\\"b\\\" \\\\c\" <a@b.example>", "a \"b\" \\c", "a@b.example"},
      {"\"Ann\" Bee <a@b.example>", "Ann Bee", "a@b.example"},
      {"\"\" <a@b.example>", "", "a@b.example"},
      {"\"a@b\" <a@b.example>", "a@b", "a@b.example"},
      {"\"a b\"@b.example", "", "\"a b\"@b.example"},
      {"\"ab\"@b.example", "", "ab@b.example"},
      {"X <\"a>b\"@b.example>", "X", "\"a>b\"@b.example"},
      {"a@[192.0.2.1]", "", "a@[192.0.2.1]"},
      {"J\xc3\xbcrgen <j@b.example>", "J\xc3\xbcrgen", "j@b.example"},
      {"j\xc3\xbcrgen@b.example", "", "j\xc3\xbcrgen@b.example"},
      {"a@m\xc3\xbcller.example", "", "a@xn--mller-kva.example"},
      {"=?utf-8?q?J=C3=BCrgen_X?= <j@b.example>", "J\xc3\xbcrgen X", "j@b.example"},
      {"=?utf-8?q?a=0D=0Ab?= <j@b.example>", "a b", "j@b.example"},
      {"a@b.example (Ann (Bee\\)))", "", "a@b.example"},
      {"(c) Ann <a@b.example>(d)", "Ann", "a@b.example"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.text);
    const auto got = parse_mailbox(c.text);
    CHECK(got.has_value());
    if (!got) continue;
    CHECK(got->name == c.name);
    CHECK(got->address == c.address);
  }
}

TEST_CASE("what is not one mailbox") {
  const std::string cases[] = {
      "",
      " ",
      "Ann",
      "a@",
      "@b.example",
      "a b@b.example",
      "a@b@c.example",
      "a@b..example",
      ".a@b.example",
      "a@b.example, c@d.example",
      "a@b.example; c@d.example",
      "<a@b.example>, <c@d.example>",
      "Acme, Inc. <a@b.example>",
      "Friends: a@b.example;",
      "undisclosed-recipients:;",
      "a@b.example garbage",
      "<a@b.example> garbage",
      "<a@b.example",
      "Ann <a@b.example>>",
      "Ann <<a@b.example>",
      "Ann <>",
      "<>",
      "Ann <Bee>",
      "\"Ann <a@b.example>",
      "\"Ann\\",
      "Ann (Bee <a@b.example>",
      "(((",
      "a@b.example (c",
      "John @ Home <a@b.example>",
      "Ann [x] <a@b.example>",
      "<@x.example:a@b.example>",
      "Ann\r\nBcc: x@y.example <a@b.example>",
      "a@b.example\r\n",
      "a@b.example\n",
      "a@b.example\r",
      "a\0@b.example"s,
      "Ann\0 <a@b.example>"s,
      "Ann\x1b <a@b.example>",
      "Ann\x7f <a@b.example>",
      "\xff <a@b.example>",
      "\xc0\x80 <a@b.example>",
      std::string(5000, 'a') + " <a@b.example>",
      std::string(65, 'a') + "@b.example",
      std::string(100, '(') + std::string(100, ')') + "a@b.example",
  };
  for (const auto& text : cases) {
    CAPTURE(text);
    const auto got = parse_mailbox(text);
    CHECK_FALSE(got.has_value());
    if (!got) CHECK(got.error().code == relay::Errc::invalid);
  }
}

TEST_CASE("every prefix of a mailbox is taken or refused, never worse") {
  const std::string text = "(c) \"A\\\" B\" =?utf-8?q?=C3=BC?= <\"q\\\" x\"@b.example> (d \\) (e))";
  for (std::size_t i = 0; i <= text.size(); ++i) {
    const auto got = parse_mailbox(text.substr(0, i));
    if (got) CHECK(got->address == "\"q\\\" x\"@b.example");
  }
  CHECK(parse_mailbox(text).has_value());
}

TEST_CASE("lists of mailboxes") {
  using List = std::vector<std::string>;
  const auto addresses = [](const std::string& text) {
    List all;
    const auto got = parse_mailboxes(text);
    if (!got) return List{got.error().message};
    for (const auto& mailbox : *got) all.push_back(mailbox.address);
    return all;
  };
  CHECK(addresses("a@b.example") == List{"a@b.example"});
  CHECK(addresses("a@b.example, \"x, <y@z>\" <c@d.example> ,(no, \\) more) <e@f.example>") ==
        List{"a@b.example", "c@d.example", "e@f.example"});
  CHECK(addresses("<@r.example,@s.example:a@b.example>, c@d.example").size() == 1);  // no routes here
  for (const std::string_view text :
       {"", ",", "a@b.example,", ",a@b.example", "a@b.example,,c@d.example", "a@b.example c@d.example",
        "\"a, c@d.example", "(a, c@d.example", "<a@b.example, c@d.example", "g: a@b.example, c@d.example;"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_mailboxes(text).has_value());
  }
  CHECK(parse_mailboxes("a@b.example,a@b.example")->size() == 2);
}
