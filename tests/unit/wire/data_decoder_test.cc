#include "mta/wire/data_decoder.h"

#include <doctest/doctest.h>

#include <string>

using namespace relay::wire;

namespace {

struct Decoded {
  bool done = false;
  bool over = false;
  bool eight_bit = false;
  std::size_t taken = 0;
  std::string content;
  friend bool operator==(const Decoded&, const Decoded&) = default;
};

// The stream in pieces of these sizes, then the rest; stops where the decoder is done.
Decoded decode(const std::string& stream, std::size_t first, std::size_t then = std::string::npos,
               std::uint64_t limit = 1u << 30) {
  DataDecoder decoder(limit);
  Decoded result;
  std::size_t piece = first;
  while (result.taken < stream.size() && !decoder.done()) {
    std::string_view bytes = std::string_view(stream).substr(result.taken, piece);
    std::size_t taken = decoder.feed(bytes);
    REQUIRE(taken <= bytes.size());
    REQUIRE((decoder.done() || taken == bytes.size()));
    result.taken += taken;
    piece = then;
  }
  result.done = decoder.done();
  result.over = decoder.over_limit();
  result.eight_bit = decoder.eight_bit();
  if (result.done && !result.over) result.content = decoder.take()->flatten();
  return result;
}

// Whole, cut in two at every byte, byte by byte.
Decoded decode_every_way(const std::string& stream, std::uint64_t limit = 1u << 30) {
  Decoded whole = decode(stream, std::string::npos, 1, limit);
  for (std::size_t cut = 1; cut < stream.size(); ++cut) {
    CAPTURE(cut);
    CHECK(decode(stream, cut, std::string::npos, limit) == whole);
  }
  CHECK(decode(stream, 1, 1, limit) == whole);
  return whole;
}

struct Case {
  std::string stream, content;
  std::string rest = "";  // not the content's
};

}  // namespace

TEST_CASE("data_decoder: content and its end") {
  const Case cases[] = {
      {".\r\n", ""},
      {"\r\n.\r\n", "\r\n"},
      {"a\r\n.\r\n", "a\r\n"},
      {"a\r\n\r\nb\r\n.\r\n", "a\r\n\r\nb\r\n"},
      {"a\r\n.\r\nQUIT\r\n", "a\r\n", "QUIT\r\n"},
      {"a\r\n.\r\n.\r\n", "a\r\n", ".\r\n"},
      {"..\r\n.\r\n", ".\r\n"},
      {"..a\r\n...\r\n.\r\n", ".a\r\n..\r\n"},
      {".a\r\n.\r\n", "a\r\n"},  // a client that does not stuff
      {"a.\r\nb.b\r\n.\r\n", "a.\r\nb.b\r\n"},
      {". \r\n.\r\n", " \r\n"},
      {std::string("a\0b\r\n.\r\n", 8), std::string("a\0b\r\n", 5)},
  };
  for (const Case& c : cases) {
    CAPTURE(c.stream);
    Decoded result = decode_every_way(c.stream);
    CHECK(result.done);
    CHECK(result.content == c.content);
    CHECK(c.stream.substr(result.taken) == c.rest);
    // No beginning of it is the end.
    std::size_t end = c.stream.size() - c.rest.size();
    for (std::size_t cut = 0; cut < end; ++cut) CHECK_FALSE(decode(c.stream.substr(0, cut), cut).done);
  }
}

TEST_CASE("data_decoder: bare CR and bare LF become CRLF") {
  const Case cases[] = {
      {"a\nb\r\n.\r\n", "a\r\nb\r\n"},       {"a\rb\r\n.\r\n", "a\r\nb\r\n"},
      {"a\n\nb\r\n.\r\n", "a\r\n\r\nb\r\n"}, {"a\r\rb\r\n.\r\n", "a\r\n\r\nb\r\n"},
      {"a\n\rb\r\n.\r\n", "a\r\n\r\nb\r\n"}, {"a\r\r\nb\r\n.\r\n", "a\r\n\r\nb\r\n"},
      {"\na\r\n.\r\n", "\r\na\r\n"},         {"\ra\r\n.\r\n", "\r\na\r\n"},
      {"a\n\r\n.\r\n", "a\r\n\r\n"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.stream);
    Decoded result = decode_every_way(c.stream);
    CHECK(result.done);
    CHECK(result.content == c.content);
  }
}

// What other servers have taken for the end of a message. Here the true end, behind it, is the only one.
TEST_CASE("data_decoder: smuggling: nothing but CRLF.CRLF ends the content") {
  const Case cases[] = {
      {"a\n.\n", "a\r\n.\r\n"},
      {"a\n.\r\n", "a\r\n.\r\n"},
      {"a\r\n.\n", "a\r\n\r\n"},
      {"a\r.\r", "a\r\n.\r\n"},
      {"a\r.\r\n", "a\r\n.\r\n"},
      {"a\r\n.\r", "a\r\n\r\n"},
      {"a\n.\r", "a\r\n.\r\n"},
      {"a\r.\n", "a\r\n.\r\n"},
      {"a\r\n.\r\r\n", "a\r\n\r\n\r\n"},
      {"a\r\n\r.\r\n", "a\r\n\r\n.\r\n"},
      {"a\r\n\n.\r\n", "a\r\n\r\n.\r\n"},
      {"a\r\n.\n\r\n", "a\r\n\r\n\r\n"},
      {std::string("a\r\n.\0\r\n", 7), std::string("a\r\n\0\r\n", 6)},
      {std::string("a\r\n\0.\r\n", 7), std::string("a\r\n\0.\r\n", 7)},
      {std::string("a\r\0\n.\r\n", 7), std::string("a\r\n\0\r\n.\r\n", 9)},
  };
  for (const Case& c : cases) {
    CAPTURE(c.stream);
    CHECK_FALSE(decode_every_way(c.stream).done);
    const std::string stream = c.stream + "MAIL FROM:<x@y>\r\n.\r\n";
    Decoded result = decode_every_way(stream);
    CHECK(result.done);
    CHECK(result.taken == stream.size());
    CHECK(result.content == c.content + "MAIL FROM:<x@y>\r\n");
  }
}

TEST_CASE("data_decoder: 8-bit content is told") {
  CHECK_FALSE(decode_every_way("abc\x7f\r\n.\r\n").eight_bit);
  CHECK(decode_every_way("abc\x80\r\n.\r\n").eight_bit);
  CHECK(decode_every_way("abcdefghijklmnop\xc3\xa9qrstuvwxyz\r\n.\r\n").eight_bit);
  CHECK(decode_every_way(".\xff\r\n.\r\n").eight_bit);
}

TEST_CASE("data_decoder: over the limit the rest is dropped to the end") {
  const std::string stream = "0123456\r\n\n..9\r\n.\r\nQUIT\r\n";  // content: 16 bytes
  const std::string content = "0123456\r\n\r\n..9\r\n";
  for (std::uint64_t limit = 0; limit <= 20; ++limit) {
    CAPTURE(limit);
    Decoded result = decode_every_way(stream, limit);
    CHECK(result.done);
    CHECK(stream.substr(result.taken) == "QUIT\r\n");
    CHECK(result.over == (limit < content.size()));
    if (!result.over) CHECK(result.content == content);
  }
}

TEST_CASE("data_decoder: large content of hostile shapes takes linear time and keeps every byte") {
  // A quadratic decoder would not end within the test's time: the first shape, without any LF, is the worst.
  struct {
    std::string unit, becomes;
    std::size_t size = 512u << 10;
  } const shapes[] = {
      {"a\r", "a\r\n", 8u << 20}, {"a\n", "a\r\n"},          {"\r", "\r\n"},         {"\n", "\r\n"},
      {"..\r\n", ".\r\n"},        {"a\r\n.\r", "a\r\n\r\n"}, {"\n\r\n", "\r\n\r\n"}, {"abcdefg", "abcdefg"}};
  for (const auto& shape : shapes) {
    CAPTURE(shape.unit);
    std::string stream, content;
    while (stream.size() < shape.size) {
      stream += shape.unit;
      content += shape.becomes;
    }
    stream += "end\r\n.\r\n";
    content += "end\r\n";
    for (std::size_t piece : {stream.size(), std::size_t{65536}}) {
      Decoded result = decode(stream, piece, piece);
      CHECK(result.done);
      CHECK((result.content == content));
    }
  }
}

TEST_CASE("data_decoder: no segment is much longer than the others") {
  std::string stream(3u << 20, 'x');
  stream += "\r\n.\r\n";
  for (std::size_t piece : {stream.size(), std::size_t{65536}, std::size_t{1000}}) {
    DataDecoder decoder(1u << 30);
    for (std::size_t at = 0; at < stream.size(); at += piece)
      decoder.feed(std::string_view(stream).substr(at, piece));
    REQUIRE(decoder.done());
    auto body = decoder.take();
    CHECK(body->size() == stream.size() - 3);
    for (const std::string& segment : body->segments()) {
      CHECK(segment.size() <= 256 * 1024);
      CHECK(segment.capacity() <= 256 * 1024 + 64);
    }
  }
}

namespace {

// Chunks of these sizes, then finish().
std::string chunked(const std::string& bytes, std::size_t first, std::size_t then, DataDecoder& decoder) {
  for (std::size_t at = 0, piece = first; at < bytes.size(); at += piece, piece = then) {
    const std::string_view part = std::string_view(bytes).substr(at, piece);
    REQUIRE(decoder.feed(part) == part.size());
    if (then == std::string::npos && piece == then) break;
  }
  decoder.finish();
  return decoder.take()->flatten();
}

}  // namespace

TEST_CASE("data_decoder: chunks: dots mean nothing, line ends are made right, however they are cut") {
  const struct {
    std::string bytes, content;
    bool bare = false;
    std::uint64_t longest = 0;
  } cases[] = {
      {"", "", false, 0},
      {"a\r\n", "a\r\n", false, 3},
      {"a", "a\r\n", false, 3},
      {"\r\n.\r\n", "\r\n.\r\n", false, 3},
      {"..\r\n.x\r\n", "..\r\n.x\r\n", false, 4},
      {"a\nb\rc", "a\r\nb\r\nc\r\n", true, 3},
      {"a\r", "a\r\n", true, 3},
      {"a\r\r\n", "a\r\n\r\n", true, 3},
      {"\n\r", "\r\n\r\n", true, 2},
      {"abcdef\r\ngh", "abcdef\r\ngh\r\n", false, 8},
  };
  for (const auto& c : cases) {
    CAPTURE(c.bytes);
    for (std::size_t cut = 1; cut <= c.bytes.size() + 1; ++cut) {
      for (const std::size_t then : {std::size_t{1}, std::string::npos}) {
        DataDecoder decoder(1000, DataDecoder::Framing::chunks);
        CHECK(chunked(c.bytes, cut, then, decoder) == c.content);
        CHECK(decoder.bare() == c.bare);
        CHECK(decoder.longest_line() == c.longest);
      }
    }
  }
}

TEST_CASE("data_decoder: what stands alone, NULs and the longest line are told") {
  const auto told = [](const std::string& stream) {
    DataDecoder decoder(1000);
    REQUIRE(decoder.feed(stream) == stream.size());
    REQUIRE(decoder.done());
    return std::string(decoder.bare() ? "bare " : "") + (decoder.nul() ? "nul " : "") +
           std::to_string(decoder.longest_line());
  };
  CHECK(told(".\r\n") == "0");
  CHECK(told("abc\r\nabcde\r\n.\r\n") == "7");
  CHECK(told("..\r\n.\r\n") == "3");
  CHECK(told("a\nbcd\r\n.\r\n") == "bare 5");
  CHECK(told("a\r\r\n.\r\n") == "bare 3");
  CHECK(told(".\rx\r\n.\r\n") == "bare 3");
  CHECK(told(std::string("a\0b\r\n.\r\n", 8)) == "nul 5");
}

TEST_CASE("data_decoder: content that the budget has no room for is dropped, and its share given back") {
  relay::ByteBudget budget(1u << 20);
  relay::ByteBudget::Share others(&budget);
  REQUIRE(others.grow_to(700'000));
  {
    DataDecoder decoder(1u << 30, DataDecoder::Framing::dots, &budget);
    decoder.feed(std::string(60'000, 'x') + "\r\n");
    CHECK_FALSE(decoder.no_room());
    CHECK(budget.used() >= 760'000);
    decoder.feed(std::string(300'000, 'x') + "\r\n");
    CHECK(decoder.no_room());
    CHECK(budget.used() == 700'000);
    others.release();
    decoder.feed("y\r\n.\r\n");  // what was dropped stays so
    CHECK(decoder.done());
    CHECK(decoder.no_room());
    CHECK_FALSE(decoder.over_limit());
    CHECK(decoder.size() == 360'007);
  }
  CHECK(budget.used() == 0);
  SUBCASE("what is over the limit too is told as that") {
    REQUIRE(others.grow_to(700'000));
    DataDecoder decoder(400'000, DataDecoder::Framing::dots, &budget);
    decoder.feed(std::string(399'000, 'x'));
    CHECK(decoder.no_room());
    decoder.feed(std::string(2'000, 'x') + "\r\n.\r\n");
    CHECK(decoder.over_limit());
  }
  SUBCASE("what is taken has its share until the decoder goes") {
    DataDecoder decoder(1u << 30, DataDecoder::Framing::chunks, &budget);
    decoder.feed("x\r\n");
    decoder.finish();
    CHECK(decoder.take()->flatten() == "x\r\n");
    CHECK(budget.used() > 0);
  }
}

TEST_CASE("data_decoder: a message up to the limit has room if the budget allows for that much") {
  constexpr std::uint64_t limit = 25'000'000;
  relay::ByteBudget budget((limit + 2) / 3 * 4);
  REQUIRE(relay::ByteBudget::for_one(budget.limit()) >= limit);
  DataDecoder decoder(limit, DataDecoder::Framing::chunks, &budget);
  const std::string line = std::string(998, 'x') + "\r\n";
  for (std::uint64_t i = 0; i < limit / line.size(); ++i) decoder.feed(line);
  decoder.finish();
  CHECK_FALSE(decoder.no_room());
  CHECK(decoder.take()->size() == limit);
}
