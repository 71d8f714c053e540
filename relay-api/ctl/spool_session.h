// What the commands on a spool share: which spool it is, its head line, faults in words, and how far the work
// is.
#pragma once
#include <boost/json/fwd.hpp>
#include <memory>
#include <string>

#include "relay-api/ctl/commands_spool.h"
#include "spool/inspect/check.h"

namespace relay::ctl {

Result<std::string> find_spool(Session& session, const SpoolChoice& choice);
// Found and opened, its format known. Otherwise it has been said what is wrong.
std::unique_ptr<spool::SpoolFile> open_spool(Session& session, const SpoolChoice& choice);
int unusable(Session& session, const Error& error);  // says it

void say_line(Session& session, std::string_view name, std::string_view value);  // "Spool     …"
std::string spool_words(const spool::SpoolFile& file);  // "/var/spool/relay; relayd runs on it (process 12)"

std::string fault_words(const spool::Fault& fault);  // two sentences
void say_fault(Session& session, std::ostream& to, const spool::Fault& fault);
boost::json::object fault_object(const spool::Fault& fault);

// A line on a terminal that says how far the work is, some times a second; nothing elsewhere. It goes with
// its owner.
class ProgressLine {
 public:
  explicit ProgressLine(Session& session);
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  void show(const std::function<std::string()>& text);
  void clear();            // before something else is printed
  double seconds() const;  // since it was made

 private:
  Session& session_;
  Instant begun_, shown_;
  bool visible_ = false;
};

}  // namespace relay::ctl
