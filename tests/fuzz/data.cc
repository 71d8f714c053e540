// A message's content, with dots or in chunks, whole and cut: the same comes out, and no line end stands
// alone.
#include "mta/wire/data_decoder.h"
#include "mta/wire/dot_stuff.h"

#include "tests/fuzz/input.h"

using namespace relay;
using namespace relay::wire;

namespace {

struct Decoded {
  std::size_t taken = 0;
  bool done = false, over = false, bare = false, nul = false, eight_bit = false;
  std::uint64_t longest = 0;
  std::string content;
  friend bool operator==(const Decoded&, const Decoded&) = default;
};

Decoded decode(std::string_view stream, std::size_t piece, std::uint64_t limit,
               DataDecoder::Framing framing) {
  DataDecoder decoder(limit, framing);
  Decoded d;
  while (d.taken < stream.size() && !decoder.done()) {
    const std::string_view part = stream.substr(d.taken, piece);
    const std::size_t taken = decoder.feed(part);
    fuzz::promise(taken == part.size() || decoder.done());
    d.taken += taken;
  }
  if (framing == DataDecoder::Framing::chunks) decoder.finish();
  d.done = decoder.done();
  d.over = decoder.over_limit();
  d.bare = decoder.bare();
  d.nul = decoder.nul();
  d.eight_bit = decoder.eight_bit();
  d.longest = decoder.longest_line();
  if (d.over) return d.nul = d.eight_bit = false, d;  // not looked at beyond the limit, wherever a cut lies
  if (d.done) d.content = decoder.take()->flatten();
  return d;
}

void check_lines(const std::string& content) {
  for (std::size_t i = 0; i < content.size(); ++i) {
    if (content[i] == '\n') fuzz::promise(i > 0 && content[i - 1] == '\r');
    if (content[i] == '\r') fuzz::promise(i + 1 < content.size() && content[i + 1] == '\n');
  }
}

std::string sent_outwards(const std::string& content, std::size_t block) {
  DotStuffer stuffer(std::make_shared<const Body>(content));
  Output out;
  while (!stuffer.emit(out, block)) {
  }
  return out.take_text();
}

// What would go out by DATA comes back as it was, and ends where it ends.
void check_outwards(const std::string& content) {
  const std::string sent = sent_outwards(content, 7);
  DataDecoder again(sent.size() + 2);
  fuzz::promise(again.feed(sent) == sent.size() && again.done() && !again.bare());
  const bool ended = content.empty() || content.ends_with("\r\n");
  fuzz::promise(again.take()->flatten() == content + (ended ? "" : "\r\n"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t choice = input.byte();
  const std::size_t piece = 1 + input.byte() % 16;
  const auto framing = (choice & 1) != 0 ? DataDecoder::Framing::chunks : DataDecoder::Framing::dots;
  const std::uint64_t limit = (choice & 2) != 0 ? 1 << 20 : choice;
  const std::string_view stream = input.rest();
  const Decoded whole = decode(stream, std::string_view::npos, limit, framing);
  fuzz::promise(decode(stream, piece, limit, framing) == whole);
  check_lines(whole.content);
  // Whatever a body holds, no line end goes out alone, and the end is where it should be.
  const std::string sent = sent_outwards(std::string(stream), piece);
  check_lines(sent);
  fuzz::promise(sent == sent_outwards(std::string(stream), 1 << 20) &&
                sent.find("\r\n.\r\n") + 5 >= sent.size());
  if (whole.done && !whole.over) check_outwards(whole.content);
  return 0;
}
