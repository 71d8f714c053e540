// The sink: an SMTP server that takes every message and delivers none; `relayctl sink`. For trying the relay
// out on loopback, and for its tests.
//
// run_sink() owns its loop and runs on the calling thread until SIGINT or SIGTERM, which it takes over for
// the process: call it before any other thread starts. Every message is printed on one line of standard
// output and, with a store directory, kept there before it is acknowledged (store.h). If storing fails the
// client is told 451 and may try again. Returns the exit code of the program; what went wrong is said in one
// sentence on standard error.
#pragma once
#include <cstdint>
#include <string>

namespace relay::sink {

struct SinkOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 2526;             // 0: any free one; it is printed
  std::string store_directory;           // made if missing; empty: nothing is stored
  bool quiet = false;                    // print nothing for a message
  std::string host_name = "sink.local";  // in the greeting
  std::string certificate_file;          // PEM; with key_file: STARTTLS is offered
  std::string key_file;
  std::uint64_t message_bytes = 100u << 20;  // larger ones are refused with 552
};

int run_sink(const SinkOptions& options);

}  // namespace relay::sink
