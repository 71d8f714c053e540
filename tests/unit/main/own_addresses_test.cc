#include "mta/main/own_addresses.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace relay;

TEST_CASE("the relay's own addresses are those its SMTP listeners have") {
  conf::Config config;
  config.submission.listeners.resize(2);
  config.submission.listeners[0].address = "192.0.2.7";
  config.submission.listeners[1].address = "2001:DB8:0::7";
  config.inbound.listeners.resize(2);
  config.inbound.listeners[0].address = "192.0.2.8";
  config.inbound.listeners[1].address = "192.0.2.7";
  config.http.listeners.resize(1);
  config.http.listeners[0].address = "192.0.2.9";  // no mail comes there
  CHECK(own_addresses(config) == std::vector<std::string>{"192.0.2.7", "192.0.2.8", "2001:db8::7"});
}

TEST_CASE("a listener for every interface has all of this machine's") {
  conf::Config config;
  config.inbound.listeners.resize(1);
  config.inbound.listeners[0].address = "0.0.0.0";
  const auto own = own_addresses(config);
  CHECK(std::ranges::find(own, "127.0.0.1") != own.end());
  CHECK(std::ranges::none_of(own, [](const std::string& a) { return a.contains(':') || a == "0.0.0.0"; }));
}
