// relayctl spool stats
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <numeric>
#include <ostream>

#include "relay-api/ctl/spool_session.h"
#include "relay-api/ctl/table.h"
#include "relay-api/utf8.h"
#include "spool/inspect/survey.h"

namespace relay::ctl {
namespace json = boost::json;
namespace {

using enum Column::Align;
using spool::Survey;
using DomainEntry = std::pair<std::string, Survey::Domain>;

std::vector<DomainEntry> by_size(const Survey& survey) {
  std::vector<DomainEntry> all(survey.domains.begin(), survey.domains.end());
  const auto size = [](const DomainEntry& entry) { return entry.second.queued + entry.second.held; };
  std::stable_sort(all.begin(), all.end(),
                   [&](const DomainEntry& a, const DomainEntry& b) { return size(a) > size(b); });
  return all;
}

std::string ago(WallTime at, WallTime now) {
  const std::string words = until(format_rfc3339(now + (now - at)), now);
  return words == "now" ? words : words + " ago";
}

json::object ages_object(const Survey::Ages& ages) {
  json::object out;
  for (std::size_t i = 0; i < ages.size(); ++i) out[spool::age_names[i]] = ages[i];
  return out;
}

json::object survey_object(const spool::SpoolFile& file, const Survey& survey) {
  json::object out{{"spool", api::valid_utf8(file.directory())},
                   {"file", json::object{{"bytes", survey.file_bytes},
                                         {"page_bytes", survey.page_bytes},
                                         {"most_bytes", survey.map_bytes},
                                         {"commit", survey.commit}}},
                   {"pages", json::object{{"total", survey.pages},
                                          {"used", survey.pages - survey.free_pages},
                                          {"free", survey.free_pages},
                                          {"free_runs", survey.free_runs},
                                          {"longest_free_run", survey.longest_free_run}}}};
  json::array tables, readers, domains;
  for (const auto& table : survey.tables)
    tables.push_back(json::object{{"name", table.name},
                                  {"rows", table.rows},
                                  {"pages", table.pages},
                                  {"bytes", table.pages * survey.page_bytes}});
  for (const auto& reader : survey.readers)
    readers.push_back(json::object{
        {"process", reader.process},
        {"behind",
         reader.commit ? json::value(survey.commit - std::min(survey.commit, *reader.commit)) : nullptr}});
  for (const auto& [name, domain] : by_size(survey))
    domains.push_back(json::object{{"domain", api::valid_utf8(name)},
                                   {"queued", domain.queued},
                                   {"held", domain.held},
                                   {"oldest_at", format_rfc3339(domain.oldest)}});
  out["tables"] = std::move(tables);
  out["readers"] = std::move(readers);
  json::object open{{"recipients", survey.open()},
                    {"due", survey.due},
                    {"untried", survey.untried},
                    {"unreadable", survey.unreadable},
                    {"queued", ages_object(survey.queued)},
                    {"held", ages_object(survey.held)},
                    {"oldest", nullptr}};
  if (survey.oldest)
    open["oldest"] = json::object{{"message", survey.oldest->message.text()},
                                  {"accepted_at", format_rfc3339(survey.oldest->accepted)}};
  out["open"] = std::move(open);
  out["domains"] = std::move(domains);
  return out;
}

void say_file(Session& session, const Survey& survey) {
  const double share = 100.0 * static_cast<double>(survey.free_pages) / static_cast<double>(survey.pages);
  say_line(session, "File",
           fmt::format("{}; may grow to {}", size_words(survey.file_bytes), size_words(survey.map_bytes)));
  say_line(session, "Pages",
           fmt::format("{} of {} B: {} in use, {} free ({:.1f} %)", survey.pages, survey.page_bytes,
                       survey.pages - survey.free_pages, survey.free_pages, share));
  if (survey.free_pages > 0)
    say_line(session, "Free",
             fmt::format("in {}, the longest of {}", counted(survey.free_runs, "row", "rows"),
                         counted(survey.longest_free_run, "page", "pages")));
  std::uint64_t furthest = 0;
  for (const auto& reader : survey.readers)
    if (reader.commit) furthest = std::max(furthest, survey.commit - std::min(survey.commit, *reader.commit));
  say_line(session, "Readers",
           fmt::format("{}{}", survey.readers.size(),
                       furthest > 0 ? fmt::format("; the one furthest back reads {} ago",
                                                  counted(furthest, "commit", "commits"))
                                    : ""));
}

void say_tables(Session& session, const Survey& survey) {
  Table tables({{"TABLE"}, {"ROWS", right}, {"PAGES", right}, {"SIZE", right}});
  for (const auto& table : survey.tables)
    tables.add({table.name, std::to_string(table.rows), std::to_string(table.pages),
                size_words(table.pages * survey.page_bytes)});
  session.out << "\n" << tables.render(session.width);
}

void say_open(Session& session, const Survey& survey) {
  std::vector<Column> columns{{"OPEN"}};
  for (const char* name : spool::age_names)
    columns.push_back({fmt::format("{}{}", name == std::string_view("older") ? "" : "<", name), right});
  columns.push_back({"ALL", right});
  Table table(std::move(columns));
  const auto row = [&](std::string name, const Survey::Ages& ages) {
    std::vector<std::string> cells{std::move(name)};
    for (const auto count : ages) cells.push_back(std::to_string(count));
    cells.push_back(std::to_string(std::accumulate(ages.begin(), ages.end(), std::uint64_t{0})));
    table.add(std::move(cells));
  };
  row("queued", survey.queued);
  row("held", survey.held);
  session.out << "\n" << table.render(session.width);
  session.out << fmt::format("{} of the queued are due, {} have not been tried.\n", survey.due,
                             survey.untried);
  if (survey.unreadable > 0)
    session.out << fmt::format("{} of the queue cannot be read: see relayctl spool check.\n",
                               counted(survey.unreadable, "row", "rows"));
  if (survey.oldest)
    session.out << fmt::format("The oldest is {}, accepted {} ({}).\n", survey.oldest->message.text(),
                               moment(format_rfc3339(survey.oldest->accepted)),
                               ago(survey.oldest->accepted, session.now));
}

void say_domains(Session& session, const Survey& survey, std::uint32_t most) {
  const auto all = by_size(survey);
  if (all.empty() || most == 0) return;
  Table table({{"DOMAIN", left, true}, {"QUEUED", right}, {"HELD", right}, {"OLDEST", right}});
  for (std::size_t i = 0; i < std::min<std::size_t>(most, all.size()); ++i)
    table.add({all[i].first, std::to_string(all[i].second.queued), std::to_string(all[i].second.held),
               ago(all[i].second.oldest, session.now)});
  session.out << "\n" << table.render(session.width);
  if (all.size() > most)
    session.out << fmt::format("{} more: add --domains {}\n", counted(all.size() - most, "domain", "domains"),
                               all.size());
}

}  // namespace

int spool_stats(Session& session, const SpoolStatsOptions& options) {
  const auto file = open_spool(session, options.spool);
  if (!file) return exit_unusable;
  const auto survey = spool::survey(*file, session.now);
  if (!survey) return unusable(session, survey.error());
  if (session.json) {
    session.out << json::serialize(survey_object(*file, *survey)) << "\n";
    return exit_ok;
  }
  say_line(session, "Spool", spool_words(*file));
  say_file(session, *survey);
  say_tables(session, *survey);
  say_open(session, *survey);
  say_domains(session, *survey, options.domains);
  return exit_ok;
}

}  // namespace relay::ctl
