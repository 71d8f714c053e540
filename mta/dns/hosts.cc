#include "mta/dns/hosts.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "mta/dns/records.h"

namespace relay::dns {

HostsTable parse_hosts(std::string_view text) {
  HostsTable table;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string word;
    if (!(words >> word)) continue;
    const auto address = literal_address(word);
    if (!address) continue;
    while (words >> word) {
      for (auto& c : word)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
      auto& known = table[word];
      if (std::ranges::find(known, *address) == known.end()) known.push_back(*address);
    }
  }
  return table;
}

HostsTable read_hosts(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return {};
  std::ostringstream all;
  all << in.rdbuf();
  return parse_hosts(all.str());
}

}  // namespace relay::dns
