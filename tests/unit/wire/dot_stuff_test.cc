#include "mta/wire/dot_stuff.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace relay;
using namespace relay::wire;

namespace {

struct Emitted {
  std::string text;
  std::size_t owned = 0;  // bytes that are not slices of the body
};

Emitted emit(const std::vector<std::string>& segments, std::size_t block) {
  auto body = std::make_shared<Body>();
  for (const auto& s : segments) body->append(s);
  DotStuffer stuffer(body);
  Emitted emitted;
  for (bool done = false; !done;) {
    Output out;
    done = stuffer.emit(out, block);
    CHECK(out.bytes() <= 2 * block + 7);
    for (const auto& segment : out.take()) {
      if (const auto* text = std::get_if<std::string>(&segment)) {
        emitted.text += *text;
        emitted.owned += text->size();
      } else {
        emitted.text += std::get<Output::Slice>(segment).bytes;
      }
    }
    CHECK(stuffer.done() == done);
  }
  return emitted;
}

// Segments cut at every byte, and blocks of every size.
void check(const std::string& content, const std::string& wanted) {
  CAPTURE(content);
  CHECK(emit({content}, 1 << 20).text == wanted);
  for (std::size_t cut = 0; cut <= content.size(); ++cut)
    CHECK(emit({content.substr(0, cut), content.substr(cut)}, 1 << 20).text == wanted);
  std::vector<std::string> bytes;
  for (char c : content) bytes.emplace_back(1, c);
  CHECK(emit(bytes, 1 << 20).text == wanted);
  for (std::size_t block = 1; block <= content.size() + 1; ++block)
    CHECK(emit({content}, block).text == wanted);
}

}  // namespace

TEST_CASE("dot-stuffing, with segments and blocks of every size") {
  const struct {
    std::string content, wanted;
  } cases[] = {
      {"", ".\r\n"},
      {"a\r\n", "a\r\n.\r\n"},
      {"a", "a\r\n.\r\n"},
      {"\r\n", "\r\n.\r\n"},
      {".", "..\r\n.\r\n"},
      {".\r\n", "..\r\n.\r\n"},
      {"..\r\n", "...\r\n.\r\n"},
      {".\r\n.\r\n.\r\n", "..\r\n..\r\n..\r\n.\r\n"},
      {"a.b\r\n.c\r\nd.\r\n", "a.b\r\n..c\r\nd.\r\n.\r\n"},
      {"a\r\n.", "a\r\n..\r\n.\r\n"},
      {"a\r\n\r\n..b\r\n", "a\r\n\r\n...b\r\n.\r\n"},
      // What other hosts might take for the end of a line, and so of the message.
      {"a\n.\r\nb\r\n", "a\r\n..\r\nb\r\n.\r\n"},
      {"a\n.\nb\n", "a\r\n..\r\nb\r\n.\r\n"},
      {"a\r\n.\nb\r\n", "a\r\n..\r\nb\r\n.\r\n"},
      {"a\r\n.\rb\r\n", "a\r\n..\r\nb\r\n.\r\n"},
      {"a\r.\rb", "a\r\n..\r\nb\r\n.\r\n"},
      {"a\r", "a\r\n.\r\n"},
      {"a\n", "a\r\n.\r\n"},
      {"\r", "\r\n.\r\n"},
      {"\r\r", "\r\n\r\n.\r\n"},
      {"\n\r", "\r\n\r\n.\r\n"},
      {"\n.", "\r\n..\r\n.\r\n"},
      {"a\r\r\n", "a\r\n\r\n.\r\n"},
      {std::string("\0.\0\r\n", 5), std::string("\0.\0\r\n.\r\n", 8)},
  };
  for (const auto& c : cases) check(c.content, c.wanted);
}

TEST_CASE("dot-stuffing copies nothing of the content") {
  std::string content;
  for (int i = 0; i < 1000; ++i) content += i % 3 == 0 ? ".line\r\n" : "another line\r\n";
  const Emitted emitted = emit({content}, 4096);
  CHECK(emitted.owned == 3);  // the final dot
  CHECK(emitted.text.size() == content.size() + 334 + 3);
}
