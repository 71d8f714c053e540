#include "spool/inspect/survey.h"

#include <algorithm>
#include <charconv>
#include <numeric>

#include "spool/inspect/page_account.h"
#include "spool/records.h"

namespace relay::spool {
namespace {

constexpr std::uint64_t slice_rows = 20'000;  // of the queue in one view: some milliseconds

void count_free(const View& view, Faults& quiet, Survey& survey) {
  std::vector<PageNumber> free;
  read_free_pages(view, quiet, [&](PageNumber page) { free.push_back(page); });
  std::sort(free.begin(), free.end());
  survey.free_pages = free.size();
  std::uint64_t run = 0;
  for (std::size_t i = 0; i < free.size(); ++i) {
    run = i > 0 && free[i] == free[i - 1] + 1 ? run + 1 : 1;
    if (run == 1) ++survey.free_runs;
    survey.longest_free_run = std::max(survey.longest_free_run, run);
  }
}

void count_tables(const View& view, const Tables& tables, Survey& survey) {
  for (const Table table : all_tables)
    if (const auto& root = tables[table])
      survey.tables.push_back({std::string(name(table)), root->entries, root->pages()});
  survey.tables.push_back({"(tables)", view.meta().main.entries, view.meta().main.pages()});
  survey.tables.push_back({"(free pages)", view.meta().free.entries, view.meta().free.pages()});
}

// LMDB tells its readers as lines of text: process, thread, and the commit or "-".
int add_reader(const char* line, void* to) {
  std::string_view text(line);
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::size_t begin = text.find_first_not_of(" \n");
    if (begin == std::string_view::npos) break;
    const std::size_t end = std::min(text.find_first_of(" \n", begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    text.remove_prefix(end);
  }
  if (words.size() != 3) return 0;
  Survey::Reader reader;
  if (std::from_chars(words[0].data(), words[0].data() + words[0].size(), reader.process).ec != std::errc{})
    return 0;
  std::uint64_t commit = 0;
  if (std::from_chars(words[2].data(), words[2].data() + words[2].size(), commit).ec == std::errc{})
    reader.commit = commit;
  static_cast<std::vector<Survey::Reader>*>(to)->push_back(reader);
  return 0;
}

void count_row(const RecipientRef& ref, const QueueRecord& row, WallTime now, Survey& survey) {
  const WallTime accepted = ref.message.time();
  const auto age = now - accepted;
  const auto group = static_cast<std::size_t>(
      std::find_if(age_bounds.begin(), age_bounds.end(), [&](auto bound) { return age < bound; }) -
      age_bounds.begin());
  Survey::Domain& domain =
      survey.domains.try_emplace(std::string(row.domain), Survey::Domain{0, 0, accepted}).first->second;
  domain.oldest = std::min(domain.oldest, accepted);
  if (!survey.oldest || accepted < survey.oldest->accepted) survey.oldest = {ref.message, accepted};
  if (row.status == Status::held) {
    ++survey.held[group];
    ++domain.held;
    return;
  }
  ++survey.queued[group];
  ++domain.queued;
  if (row.due <= now) ++survey.due;
  if (row.attempts == 0) ++survey.untried;
}

Result<void> count_queue(SpoolFile& file, WallTime now, Faults& quiet, Survey& survey) {
  std::string from;
  for (bool more = true; more;) {
    const auto view = file.view();
    if (!view) return std::unexpected(view.error());
    const Tables tables = find_tables(*view, quiet);
    RowCursor queue(*view, tables, Table::queue, quiet);
    more = false;
    std::uint64_t rows = 0;
    for (bool found = queue.seek_from(from); found; found = queue.next()) {
      if (rows++ == slice_rows) {
        from = queue.key();
        more = true;
        break;
      }
      const auto payload = queue.payload();
      const auto row = payload ? decode_queue(*payload) : std::nullopt;
      if (row && terminal(row->status)) continue;
      if (row)
        count_row(recipient_of(queue.key()), *row, now, survey);
      else
        ++survey.unreadable;
    }
  }
  return {};
}

}  // namespace

std::uint64_t Survey::open() const {
  return std::accumulate(queued.begin(), queued.end(), std::uint64_t{0}) +
         std::accumulate(held.begin(), held.end(), std::uint64_t{0});
}

Result<Survey> survey(SpoolFile& file, WallTime now) {
  Survey survey;
  Faults quiet([](const Fault&) {});
  if (file.lmdb() != nullptr) mdb_reader_list(file.lmdb(), &add_reader, &survey.readers);
  {
    const auto view = file.view();
    if (!view) return std::unexpected(view.error());
    survey.file_bytes = file.file_bytes();
    survey.page_bytes = file.page_bytes();
    survey.map_bytes = view->meta().map_bytes;
    survey.commit = view->meta().commit;
    survey.pages = view->meta().last + 1;
    count_free(*view, quiet, survey);
    count_tables(*view, find_tables(*view, quiet), survey);
  }
  if (auto r = count_queue(file, now, quiet, survey); !r) return std::unexpected(r.error());
  return survey;
}

}  // namespace relay::spool
