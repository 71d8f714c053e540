#include "relay-api/ctl/cli_spool.h"

#include <memory>

#include "relay-api/ctl/commands_spool.h"

namespace relay::ctl {
namespace {

using Command = std::function<int(Session&)>;

// A subcommand with its options, which the command keeps.
template <class Options>
std::pair<CLI::App*, std::shared_ptr<Options>> add(CLI::App& spool, Command& command, const std::string& name,
                                                   const std::string& description,
                                                   int (*run)(Session&, const Options&)) {
  CLI::App* sub = spool.add_subcommand(name, description);
  auto options = std::make_shared<Options>();
  auto* directory = sub->add_option("--spool", options->spool.directory, "The spool's directory");
  auto* config = sub->add_option("--config", options->spool.config, "relayd's configuration, which names it");
  directory->excludes(config);
  sub->callback(
      [&command, options, run] { command = [options, run](Session& s) { return run(s, *options); }; });
  return {sub, options};
}

void add_export(CLI::App& spool, Command& command) {
  auto [sub, options] =
      add(spool, command, "export", "Write messages with their envelopes, one a line", spool_export);
  auto* file =
      sub->add_option("--file", options->file, "Write here, which must not exist; else standard output");
  auto* to = sub->add_option("--to", options->directory, "Write id.eml and id.json into this new directory");
  file->excludes(to);
  sub->add_flag("--keys", options->keys, "The API keys too");
  sub->add_flag("--open", options->open, "Only with a recipient queued or held");
  sub->add_option("--id", options->ids, "Only these messages");
  sub->add_option("--domain", options->domain, "Only with a recipient of this domain");
  sub->add_option("--account", options->account, "Only of this account");
  sub->add_option("--since", options->since,
                  "Only accepted then or later: 2026-11-21 or 2026-11-21T09:18:00Z");
  sub->add_option("--until", options->until, "Only accepted before");
}

}  // namespace

void add_spool(CLI::App& app, Command& command) {
  CLI::App* spool = app.add_subcommand("spool", "The stored mail itself: check, back up, save, restore");
  spool->require_subcommand(1);
  {
    auto [sub, options] = add(*spool, command, "check", "Find everything that is wrong with it", spool_check);
    sub->add_flag_callback(
        "--no-pages", [o = options] { o->pages = false; }, "Leave out the account of pages");
  }
  {
    auto [sub, options] = add(*spool, command, "stats", "Count what is in it", spool_stats);
    sub->add_option("--domains", options->domains, "Show so many of the largest")->capture_default_str();
  }
  {
    auto [sub, options] = add(*spool, command, "backup", "Copy it, also while relayd runs", spool_backup);
    sub->add_option("directory", options->destination, "The new directory")->required();
    sub->add_flag("--compact", options->compact, "Leave out free pages");
    sub->add_flag_callback("--no-check", [o = options] { o->check = false; }, "Do not check the copy");
  }
  add_export(*spool, command);
  {
    auto [sub, options] =
        add(*spool, command, "import", "Take what export has written; relayd must be stopped", spool_import);
    sub->add_option("source", options->source, "A file, a directory, or - for standard input")->required();
    sub->add_flag("--dry-run", options->dry_run, "Only look, and say what would be taken");
  }
}

}  // namespace relay::ctl
