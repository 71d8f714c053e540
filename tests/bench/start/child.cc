#include "tests/bench/start/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace relay::bench {

double seconds_since(Steady::time_point start) {
  return std::chrono::duration<double>(Steady::now() - start).count();
}

void give_up(const std::string& why) {
  std::fprintf(stderr, "the benchmark cannot go on: %s\n", why.c_str());
  std::exit(1);
}

Child::Child(const std::vector<std::string>& arguments) : started_(Steady::now()) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) give_up("no pipe");
  std::vector<char*> argv;
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // it must not outlive a benchmark that gives up
    dup2(ends[1], STDOUT_FILENO);
    dup2(ends[1], STDERR_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }
  close(ends[1]);
  if (pid_ < 0) give_up("cannot start " + arguments[0]);
  reader_ = std::thread([this, descriptor = ends[0]] { read_log(descriptor); });
}

Child::~Child() {
  if (running_) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  reader_.join();
}

void Child::read_log(int descriptor) {
  std::FILE* log = fdopen(descriptor, "r");
  char buffer[8192];
  while (std::fgets(buffer, sizeof buffer, log) != nullptr) {
    const std::string text(buffer);
    if (text.find(" message=msg_") != std::string::npos) continue;
    const std::lock_guard lock(mutex_);
    if (text.find("[info]") == std::string::npos) std::fputs(text.c_str(), stderr);
    notable_.push_back({seconds_since(started_), text});
    changed_.notify_all();
  }
  std::fclose(log);
  const std::lock_guard lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

double Child::wait_for(const std::string& text) {
  std::unique_lock lock(mutex_);
  for (std::size_t seen = 0;;) {
    for (; seen < notable_.size(); ++seen)
      if (notable_[seen].text.find(text) != std::string::npos) return notable_[seen].at;
    if (ended_ ||
        !changed_.wait_for(lock, std::chrono::minutes(2), [&] { return ended_ || seen < notable_.size(); })) {
      for (const Line& line : notable_) std::fputs(line.text.c_str(), stderr);
      give_up("a program did not say \"" + text + "\"");
    }
  }
}

double Child::stop() {
  const auto start = Steady::now();
  kill(pid_, SIGTERM);
  int status = 0;
  waitpid(pid_, &status, 0);
  running_ = false;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) give_up("a program did not end well");
  return seconds_since(start);
}

double Child::cpu() const {
  std::ifstream stat("/proc/" + std::to_string(pid_) + "/stat");
  std::string text;
  std::getline(stat, text);
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

Memory Child::memory() const {
  Memory memory;
  std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
  std::string word;
  while (status >> word) {
    if (word != "VmRSS:" && word != "RssAnon:") continue;
    double kib = 0;
    status >> kib;
    (word == "VmRSS:" ? memory.resident : memory.anonymous) = kib / 1024;
  }
  return memory;
}

}  // namespace relay::bench
