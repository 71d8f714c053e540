// ReplyParser: any bytes, in any cuts; the same replies as when they come whole, and what it promises of
// them.
#include "mta/wire/reply_parser.h"

#include <vector>

#include "mta/base/utf8.h"
#include "tests/fuzz/input.h"

using namespace relay;
using namespace relay::wire;

namespace {

constexpr std::size_t most_bytes = 300;
constexpr std::uint32_t most_lines = 5;

struct Heard {
  std::vector<Reply> replies;
  std::string error;
};

void check(const Reply& reply) {
  fuzz::promise(reply.code >= 200 && reply.code < 600);
  fuzz::promise(!reply.lines.empty() && reply.lines.size() <= most_lines);
  std::size_t bytes = 0;
  for (const std::string& line : reply.lines) {
    bytes += line.size();
    fuzz::promise(valid_utf8(line));
    for (const char c : line) fuzz::promise((c < 0 || c >= ' ' || c == '\t') && c != 0x7f);
  }
  fuzz::promise(bytes <= most_bytes);
  if (reply.enhanced.empty()) return;
  fuzz::promise(enhanced_code_length(reply.enhanced) == reply.enhanced.size());
  fuzz::promise(reply.enhanced[0] == static_cast<char>('0' + reply.code / 100));
}

Heard hear(std::string_view all, std::size_t piece) {
  ReplyParser parser(most_bytes, most_lines);
  Heard heard;
  while (!all.empty()) {
    std::string_view bytes = all.substr(0, piece);
    all.remove_prefix(bytes.size());
    while (!bytes.empty()) {
      const std::size_t before = bytes.size();
      const auto status = parser.feed(bytes);
      if (status == ReplyParser::Status::error) {
        heard.error = parser.error();
        fuzz::promise(!heard.error.empty());
        return heard;
      }
      fuzz::promise(bytes.size() < before);
      if (status == ReplyParser::Status::more) continue;
      heard.replies.push_back(parser.take());
      check(heard.replies.back());
      fuzz::promise(parser.idle());
    }
  }
  return heard;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::size_t piece = input.byte() % 40u + 1;
  const std::string_view all = input.rest();
  const Heard whole = hear(all, all.size() + 1), cut = hear(all, piece);
  fuzz::promise(whole.replies == cut.replies && whole.error.empty() == cut.error.empty());
  return 0;
}
