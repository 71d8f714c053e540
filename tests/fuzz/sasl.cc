// An exchange of AUTH: the lines of a client.
#include "mta/wire/sasl.h"

#include "tests/fuzz/input.h"

using namespace relay;
using namespace relay::wire;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t choice = input.byte();
  SaslExchange exchange((choice & 1) != 0 ? "PLAIN" : "LOGIN");
  std::string_view rest = input.rest();
  const auto line = [&] {
    const std::string_view one = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    return one;
  };
  SaslStep step = exchange.start((choice & 2) != 0 ? std::optional(std::string(line())) : std::nullopt);
  for (int i = 0; i < 4 && std::holds_alternative<Challenge>(step); ++i) step = exchange.respond(line());
  fuzz::promise(!std::holds_alternative<Challenge>(step));  // two answers are the most there are
  if (const auto* credentials = std::get_if<Credentials>(&step)) {
    fuzz::promise(!credentials->user.empty());
    fuzz::promise(credentials->user.find('\0') == std::string::npos || exchange.mechanism() == "LOGIN");
  }
  return 0;
}
