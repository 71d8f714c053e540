// Every dialogue in tests/scenario; see server_script.h for how they are written.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/unit/wire/server_script.h"

using namespace relay::wire;

TEST_CASE("server: the dialogues of tests/scenario") {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(RELAY_SOURCE_DIR "/tests/scenario"))
    if (entry.path().extension() == ".txt") files.push_back(entry.path().string());
  std::ranges::sort(files);
  REQUIRE(files.size() >= 20);
  for (const std::string& file : files) {
    CAPTURE(file);
    play_file(file);
  }
}
