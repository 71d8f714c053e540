#include "mta/main/exposition.h"

#include <array>

namespace relay {
namespace {

using metrics::Metric;
using enum metrics::Kind;

// In the order of the page.
constexpr std::array table{
    Metric{"relay_build_info", gauge, "Always 1; its label is the version"},
    Metric{"relay_process_start_time_seconds", gauge, "When the process started, in seconds since 1970"},
    Metric{"relay_process_resident_memory_bytes", gauge, "Memory the process has in RAM"},
    Metric{"relay_process_cpu_seconds_total", counter, "Processor time used, of user and system"},
    Metric{"relay_process_open_fds", gauge, "Open files and connections"},
    Metric{"relay_process_max_fds", gauge, "The most files and connections that may be open"},

    Metric{"relay_spool_failed", gauge, "1 after a commit has failed for good: nothing is accepted any more"},
    Metric{"relay_spool_state", gauge,
           "1 for the state in force: whether new mail can be stored, or why not"},
    Metric{"relay_spool_durability", gauge,
           "1 for the mode in force: what a commit has survived when it is done"},
    Metric{"relay_spool_commits_total", counter, "Commits made"},
    Metric{"relay_spool_operations_total", counter, "Operations in those commits"},
    Metric{"relay_spool_stale_operations_total", counter,
           "Operations that changed nothing, as their recipient was finished already"},
    Metric{"relay_spool_refused_commits_total", counter, "Commits the disk did not take"},
    Metric{"relay_spool_unrecorded_outcomes", gauge,
           "Outcomes of deliveries that the spool does not have yet"},
    Metric{
        "relay_spool_lost_outcomes_total", counter,
        "Outcomes that will not be recorded, as the spool has failed: they are tried again after a restart"},
    Metric{"relay_spool_damaged_operations_total", counter,
           "Operations that failed alone, having met damage"},
    Metric{"relay_spool_damaged_at_start_recipients", gauge,
           "Queued recipients whose record was found damaged at the start, by what became of them"},
    Metric{"relay_spool_commit_duration_seconds", histogram, "How long a commit took, with its syncs"},
    Metric{"relay_spool_batch_operations", histogram, "Operations in one commit"},
    Metric{"relay_spool_waiting_bytes", gauge, "Mail and outcomes submitted and not yet committed"},
    Metric{"relay_spool_oldest_waiting_seconds", gauge, "How long the oldest of that has waited"},
    Metric{"relay_spool_messages", gauge, "Messages known, finished ones included until they are forgotten"},
    Metric{"relay_spool_open_recipients", gauge,
           "Recipients queued or held, as the store has them, and those that damage keeps there"},
    Metric{"relay_spool_file_bytes", gauge, "Size of the spool's file, what is allocated ahead included"},
    Metric{"relay_spool_used_bytes", gauge, "Of the file, what holds data"},
    Metric{"relay_spool_free_bytes", gauge,
           "Of the file, what is free between that and is taken again first"},
    Metric{"relay_spool_limit_bytes", gauge, "The most the file may grow to"},
    Metric{"relay_spool_room_bytes", gauge,
           "For new mail: free in the file and on the disk, without what is kept for outcomes"},
    Metric{"relay_spool_in_flight_noted", gauge, "Recipients noted in the ledger of attempts under way"},
    Metric{"relay_spool_in_flight_uncovered_total", counter,
           "Attempts that could not be noted, so that their repeat after a crash would not be counted"},
    Metric{"relay_spool_possible_repeats_total", counter,
           "Recipients found at the start whose attempts the process before had under way: they may be "
           "delivered "
           "twice"},

    Metric{"relay_queue_recipients", gauge, "Open recipients in memory, by where they are"},
    Metric{"relay_queue_body_bytes", gauge, "Content of mail in memory, for its first attempt or being sent"},
    Metric{"relay_queue_connections", gauge, "Connections to hosts, open or being opened"},
    Metric{"relay_queue_outcomes_total", counter, "Attempts ended, by what became of the recipient"},
    Metric{"relay_queue_in_doubt_total", counter,
           "Attempts whose connection was lost when the host could already have taken the message"},

    Metric{"relay_intake_messages_total", counter, "Messages accepted, by the way in"},
    Metric{"relay_intake_recipients_total", counter, "Recipients of those messages"},
    Metric{"relay_intake_bytes_total", counter, "Content of those messages, as stored"},
    Metric{"relay_intake_repeated_total", counter,
           "Messages answered as the one that had their idempotency key before"},
    Metric{"relay_intake_refused_total", counter, "Messages refused once they were there, by reason"},

    Metric{"relay_auth_failures_total", counter, "Authentications that failed, by protocol"},
    Metric{"relay_auth_refused_total", counter,
           "Authentications not looked at, as the client or the account was locked out, by protocol"},
    Metric{"relay_auth_lockouts_total", counter, "Lock-outs begun, by whom they concern"},
    Metric{"relay_auth_locked_out", gauge, "Lock-outs in force, by whom they concern"},

    Metric{"relay_inbound_messages_total", counter,
           "Messages that came to the relay's own return-path domains"},
    Metric{"relay_inbound_bytes_total", counter, "Content of those messages"},
    Metric{"relay_inbound_refused_total", counter, "Recipients of other domains that were refused there"},
    Metric{"relay_sessions_open", gauge, "Incoming connections, by protocol"},
    Metric{"relay_content_memory_bytes", gauge, "Content of messages that are being received"},
    Metric{"relay_sessions_total", counter, "Incoming connections taken since the start"},
    Metric{"relay_sessions_turned_away_total", counter,
           "Incoming connections not taken, or ended, for want of room or of a PROXY header"},

    Metric{"relay_tls_certificate_not_after_seconds", gauge,
           "When the certificate in use expires, in seconds since 1970"},
    Metric{"relay_tls_reloads_total", counter, "Times the certificates were read anew, by what became of it"},
};

consteval const Metric& metric(std::string_view name) {
  for (const Metric& m : table)
    if (m.name == name) return m;
  throw "no such metric";  // while compiling, as every name is a literal of this file
}

template <class T>
double number(T value) {
  return static_cast<double>(value);
}

double seconds(std::chrono::nanoseconds span) { return std::chrono::duration<double>(span).count(); }

void add_process(metrics::Page& page, const Snapshot& s) {
  page.add(metric("relay_build_info"), 1, {{"version", s.version}});
  page.add(metric("relay_process_start_time_seconds"), seconds(s.started.time_since_epoch()));
  page.add(metric("relay_process_resident_memory_bytes"), number(s.process.resident_bytes));
  page.add(metric("relay_process_cpu_seconds_total"), s.process.cpu_seconds);
  page.add(metric("relay_process_open_fds"), number(s.process.open_files));
  page.add(metric("relay_process_max_fds"), number(s.process.open_files_limit));
}

void add_writer(metrics::Page& page, const Snapshot& s) {
  const spool::WriterStats& w = s.writer;
  page.add(metric("relay_spool_failed"), w.state == spool::WriterState::failed ? 1 : 0);
  using enum spool::WriterState;
  for (const spool::WriterState state : {accepting, busy, full, unavailable, damaged, failed})
    page.add(metric("relay_spool_state"), w.state == state ? 1 : 0, {{"state", spool::text(state)}});
  page.add(metric("relay_spool_durability"), 1, {{"mode", spool::text(s.durability)}});
  page.add(metric("relay_spool_commits_total"), number(w.commits));
  page.add(metric("relay_spool_operations_total"), number(w.operations));
  page.add(metric("relay_spool_stale_operations_total"), number(w.stale));
  page.add(metric("relay_spool_refused_commits_total"), number(w.refusals));
  page.add(metric("relay_spool_unrecorded_outcomes"), number(w.unrecorded));
  page.add(metric("relay_spool_lost_outcomes_total"), number(w.lost));
  page.add(metric("relay_spool_damaged_operations_total"), number(w.damaged));
  const Metric& at_start = metric("relay_spool_damaged_at_start_recipients");
  page.add(at_start, number(s.claimed.rebuilt), {{"result", "rebuilt"}});
  page.add(at_start, number(s.claimed.lost), {{"result", "lost"}});
  page.add(metric("relay_spool_commit_duration_seconds"), w.commit_seconds);
  page.add(metric("relay_spool_batch_operations"), w.batch_operations);
  page.add(metric("relay_spool_waiting_bytes"), number(w.waiting_bytes));
  page.add(metric("relay_spool_oldest_waiting_seconds"), seconds(w.oldest_waiting));
}

void add_store(metrics::Page& page, const Snapshot& s) {
  if (s.counts) {
    page.add(metric("relay_spool_messages"), number(s.counts->messages));
    page.add(metric("relay_spool_open_recipients"), number(s.counts->queued));
  }
  if (s.space) {
    page.add(metric("relay_spool_file_bytes"), number(s.space->file));
    page.add(metric("relay_spool_used_bytes"), number(s.space->used));
    page.add(metric("relay_spool_free_bytes"), number(s.space->free));
    page.add(metric("relay_spool_limit_bytes"), number(s.space->limit));
    page.add(metric("relay_spool_room_bytes"), number(s.space->room));
  }
  page.add(metric("relay_spool_in_flight_noted"), number(s.in_flight.noted));
  page.add(metric("relay_spool_in_flight_uncovered_total"), number(s.in_flight.uncovered));
  page.add(metric("relay_spool_possible_repeats_total"), number(s.possible_repeats));
}

void add_queue(metrics::Page& page, const queue::SchedulerStats& q) {
  const Metric& recipients = metric("relay_queue_recipients");
  page.add(recipients, number(q.open - q.ready - q.in_flight - q.held), {{"place", "waiting"}});
  page.add(recipients, number(q.ready), {{"place", "ready"}});
  page.add(recipients, number(q.in_flight), {{"place", "in_flight"}});
  page.add(recipients, number(q.held), {{"place", "held"}});
  page.add(metric("relay_queue_body_bytes"), number(q.body_bytes));
  page.add(metric("relay_queue_connections"), number(q.connections));
  const Metric& outcomes = metric("relay_queue_outcomes_total");
  page.add(outcomes, number(q.delivered), {{"outcome", "delivered"}});
  page.add(outcomes, number(q.deferred), {{"outcome", "deferred"}});
  page.add(outcomes, number(q.failed), {{"outcome", "failed"}});
  page.add(metric("relay_queue_in_doubt_total"), number(q.in_doubt));
}

void add_intake(metrics::Page& page, const intake::IntakeStats& i) {
  page.add(metric("relay_intake_messages_total"), number(i.from_smtp), {{"origin", "smtp"}});
  page.add(metric("relay_intake_messages_total"), number(i.from_http), {{"origin", "http"}});
  page.add(metric("relay_intake_recipients_total"), number(i.recipients));
  page.add(metric("relay_intake_bytes_total"), number(i.bytes));
  page.add(metric("relay_intake_repeated_total"), number(i.repeated));
  for (std::size_t reason = 0; reason < intake::refusals; ++reason)
    page.add(metric("relay_intake_refused_total"), number(i.refused[reason]),
             {{"reason", intake::text(static_cast<intake::Refused>(reason))}});
}

void add_auth(metrics::Page& page, const intake::AuthGuardStats& auth) {
  const auto by = [&](const Metric& what, std::string_view label, const std::array<std::uint64_t, 2>& values,
                      std::string_view first, std::string_view second) {
    page.add(what, number(values[0]), {{label, first}});
    page.add(what, number(values[1]), {{label, second}});
  };
  by(metric("relay_auth_failures_total"), "protocol", auth.failures, "smtp", "http");
  by(metric("relay_auth_refused_total"), "protocol", auth.refused, "smtp", "http");
  by(metric("relay_auth_lockouts_total"), "kind", auth.lockouts, "address", "account");
  by(metric("relay_auth_locked_out"), "kind", auth.locked_out, "address", "account");
}

void add_sessions(metrics::Page& page, const Snapshot& s) {
  const std::array<std::pair<std::string_view, const SessionSums*>, 3> kinds = {
      {{"smtp", &s.smtp}, {"inbound", &s.inbound}, {"http", &s.http}}};
  for (const auto& [protocol, sums] : kinds)
    page.add(metric("relay_sessions_open"), number(sums->open), {{"protocol", protocol}});
  page.add(metric("relay_content_memory_bytes"), number(s.smtp_content), {{"protocol", "smtp"}});
  page.add(metric("relay_content_memory_bytes"), number(s.inbound_content), {{"protocol", "inbound"}});
  for (const auto& [protocol, sums] : kinds)
    page.add(metric("relay_sessions_total"), number(sums->total), {{"protocol", protocol}});
  for (std::size_t i = 0; i < turned_away_reasons; ++i)
    for (const auto& [protocol, sums] : kinds)
      page.add(metric("relay_sessions_turned_away_total"), number(sums->turned_away[i]),
               {{"protocol", protocol}, {"reason", text(static_cast<TurnedAway>(i))}});
}

void add_inbound(metrics::Page& page, const intake::InboundStats& inbound) {
  page.add(metric("relay_inbound_messages_total"), number(inbound.messages));
  page.add(metric("relay_inbound_bytes_total"), number(inbound.bytes));
  page.add(metric("relay_inbound_refused_total"), number(inbound.refused));
}

void add_tls(metrics::Page& page, const net::CertificateStore::Status& tls) {
  for (const net::CertificateFacts& one : tls.certificates)
    page.add(metric("relay_tls_certificate_not_after_seconds"), seconds(one.not_after.time_since_epoch()),
             {{"file", one.file}});
  page.add(metric("relay_tls_reloads_total"), number(tls.reloads), {{"result", "done"}});
  page.add(metric("relay_tls_reloads_total"), number(tls.failed_reloads), {{"result", "failed"}});
}

}  // namespace

std::span<const Metric> all_metrics() { return table; }

std::string exposition(const Snapshot& snapshot) {
  metrics::Page page;
  add_process(page, snapshot);
  add_writer(page, snapshot);
  add_store(page, snapshot);
  add_queue(page, snapshot.queue);
  add_intake(page, snapshot.intake);
  add_auth(page, snapshot.auth);
  add_inbound(page, snapshot.bounces);
  add_sessions(page, snapshot);
  if (snapshot.tls) add_tls(page, *snapshot.tls);
  return page.text();
}

}  // namespace relay
