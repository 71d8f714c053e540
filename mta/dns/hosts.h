// The hosts file, hosts(5): names an administrator gave addresses to on this machine. Pure but for
// read_hosts.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace relay::dns {

using HostsTable =
    std::map<std::string, std::vector<std::string>, std::less<>>;  // lower-case name, addresses

// Lines that are no entries are passed over, as every resolver does.
HostsTable parse_hosts(std::string_view text);
HostsTable read_hosts(const std::string& file);  // empty if it cannot be read

}  // namespace relay::dns
