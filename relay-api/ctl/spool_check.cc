// relayctl spool check, and relayctl spool backup, which checks what it has made.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <ostream>

#include "relay-api/ctl/spool_session.h"
#include "relay-api/utf8.h"
#include "spool/inspect/backup.h"

namespace relay::ctl {
namespace json = boost::json;
namespace {

std::string per_second(double amount, double seconds) {
  return fmt::format("{:.0f}", seconds > 0 ? amount / seconds : 0);
}

struct Outcome {
  spool::CheckReport report;
  json::array faults;
  double seconds = 0;
};

// Faults are said as they are found, or gathered for JSON.
Result<Outcome> run_check(Session& session, spool::SpoolFile& file, bool pages) {
  Outcome outcome;
  ProgressLine line(session);
  const auto fault = [&](const spool::Fault& f) {
    if (session.json) {
      outcome.faults.push_back(fault_object(f));
      return;
    }
    line.clear();
    say_fault(session, session.out, f);
  };
  const auto progress = [&](std::uint64_t done, std::uint64_t of) {
    line.show([&] { return fmt::format("{} of {} messages checked", done, std::max(done, of)); });
  };
  auto report = spool::check_spool(file, {.pages = pages}, fault, progress);
  if (!report) return std::unexpected(report.error());
  outcome.report = *report;
  outcome.seconds = line.seconds();
  return outcome;
}

json::object report_object(const spool::SpoolFile& file, Outcome outcome, bool pages) {
  const spool::CheckReport& report = outcome.report;
  json::object out{{"spool", api::valid_utf8(file.directory())},
                   {"clean", report.faults == 0},
                   {"created_at", api::valid_utf8(report.created)},
                   {"messages", report.messages},
                   {"recipients", report.recipients},
                   {"open_recipients", report.open},
                   {"keys", report.keys},
                   {"records", report.records},
                   {"bytes", report.bytes},
                   {"seconds", outcome.seconds}};
  out["pages"] = pages
                     ? json::value(json::object{
                           {"total", report.pages}, {"used", report.pages_used}, {"free", report.pages_free}})
                     : json::value(nullptr);
  out["faults"] = std::move(outcome.faults);
  return out;
}

void say_report(Session& session, const Outcome& outcome, bool pages) {
  const spool::CheckReport& report = outcome.report;
  say_line(session, "Made", moment(report.created));
  say_line(session, "Checked",
           fmt::format("{}, {} ({} open), {}", counted(report.messages, "message", "messages"),
                       counted(report.recipients, "recipient", "recipients"), report.open,
                       counted(report.keys, "key", "keys")));
  say_line(session, "Read",
           fmt::format("{}, {} in {:.2f} s: {} messages/s, {} MB/s",
                       counted(report.records, "record", "records"), size_words(report.bytes),
                       outcome.seconds, per_second(static_cast<double>(report.messages), outcome.seconds),
                       per_second(static_cast<double>(report.bytes) / 1e6, outcome.seconds)));
  if (pages)
    say_line(session, "Pages",
             fmt::format("{}: {} in use, {} free", report.pages, report.pages_used, report.pages_free));
  say_line(session, "Result", report.faults == 0 ? "no fault" : counted(report.faults, "fault", "faults"));
}

}  // namespace

int spool_check(Session& session, const SpoolCheckOptions& options) {
  const auto file = open_spool(session, options.spool);
  if (!file) return exit_unusable;
  if (!session.json) say_line(session, "Spool", spool_words(*file));
  auto outcome = run_check(session, *file, options.pages);
  if (!outcome) return unusable(session, outcome.error());
  const int code = outcome->report.faults == 0 ? exit_ok : exit_faults;
  if (session.json)
    session.out << json::serialize(report_object(*file, std::move(*outcome), options.pages)) << "\n";
  else
    say_report(session, *outcome, options.pages);
  return code;
}

int spool_backup(Session& session, const SpoolBackupOptions& options) {
  const auto file = open_spool(session, options.spool);
  if (!file) return exit_unusable;
  if (!session.json) say_line(session, "Spool", spool_words(*file));
  Result<std::uint64_t> bytes;
  {
    ProgressLine line(session);
    const std::uint64_t expected = file->file_bytes();
    bytes = spool::backup(*file, {options.destination, options.compact}, [&](std::uint64_t written) {
      line.show([&] { return fmt::format("{} of {} copied", size_words(written), size_words(expected)); });
    });
  }
  if (!bytes) return unusable(session, bytes.error());
  json::object out{{"spool", api::valid_utf8(file->directory())},
                   {"backup", api::valid_utf8(options.destination)},
                   {"bytes", *bytes},
                   {"check", nullptr}};
  if (!session.json)
    say_line(session, "Backup", fmt::format("{}, {}", options.destination, size_words(*bytes)));
  int code = exit_ok;
  if (options.check) {
    const auto copy = spool::SpoolFile::open(options.destination);
    if (!copy) return unusable(session, copy.error());
    auto outcome = run_check(session, **copy, true);
    if (!outcome) return unusable(session, outcome.error());
    if (outcome->report.faults > 0) code = exit_faults;
    if (session.json)
      out["check"] = report_object(**copy, std::move(*outcome), true);
    else
      say_report(session, *outcome, true);
  }
  if (session.json) session.out << json::serialize(out) << "\n";
  return code;
}

}  // namespace relay::ctl
