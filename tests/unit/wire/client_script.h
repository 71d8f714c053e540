// Conversations with ClientDialog as text, both script and expectation.
//
// Input:    "S: line" (the server sends it with CRLF), "S~ line" (with LF alone), "S_ text" (with nothing),
//           "> start FROM TO... [utf8] [8bit]" (^J is a newline), "> timeout", "> closed", "> reset", ">
//           tls", "> tls failed",
//           "> quit". Server lines that follow each other arrive together.
// Expected: "C: line" (the client sends it), "= ready", "= closed", "= quitting", "= tls" (wants a
// handshake),
//           "* STAGE: ANSWER" (a recipient's fact), "! STAGE: ANSWER" (session_failure).
// play() replays the input and gives back the whole conversation as it went, for comparison.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "mta/wire/client_dialog.h"

namespace relay::wire::test {

struct Play {
  ClientSettings settings;
  BodyPtr body;             // of every transaction; a short one if null
  bool every_byte = false;  // server bytes arrive one at a time
  std::size_t cut = 0;      // else the server's stream is cut once, before this byte
  bool implicit_tls = false;
  bool writes_finish = true;  // on_sent follows output
};

std::string play(const Play& play, std::string_view script);
std::size_t server_bytes(std::string_view script);

// Without the margin that raw strings have in the source: leading blanks of lines and the first empty line.
std::string trimmed(std::string_view script);

// Plays it whole, byte by byte and cut at every byte: every way must give the script itself.
void expect(std::string_view name, std::string_view script, Play how = {});

}  // namespace relay::wire::test
