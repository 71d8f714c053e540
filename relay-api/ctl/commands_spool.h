// The commands of relayctl that read a spool themselves: check, stats, backup, export, import. Each prints,
// and returns the program's exit code: exit_ok, exit_faults or exit_unusable.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "relay-api/ctl/session.h"

namespace relay::ctl {

// Which spool: a directory, or the one a configuration file names; else that of the relayd that answers on
// the socket, else var/spool (the demo of ./run) if it is one, else that of /etc/relay/relay.yaml, else
// /var/spool/relay.
struct SpoolChoice {
  std::string directory, config;
};

struct SpoolCheckOptions {
  SpoolChoice spool;
  bool pages = true;
};
struct SpoolStatsOptions {
  SpoolChoice spool;
  std::uint32_t domains = 10;  // shown; JSON has all
};
struct SpoolBackupOptions {
  SpoolChoice spool;
  std::string destination;
  bool compact = false, check = true;
};
struct SpoolExportOptions {
  SpoolChoice spool;
  std::string file;       // "-" or nothing: standard output
  std::string directory;  // pairs of files instead
  bool keys = false;
  bool open = false;  // the rest: which messages
  std::vector<std::string> ids;
  std::string domain, account;
  std::string since, until;  // as RFC 3339 writes them, or a date
};
struct SpoolImportOptions {
  SpoolChoice spool;
  std::string source;  // a file, a directory, or "-"
  bool dry_run = false;
};

int spool_check(Session& session, const SpoolCheckOptions& options);
int spool_stats(Session& session, const SpoolStatsOptions& options);
int spool_backup(Session& session, const SpoolBackupOptions& options);
int spool_export(Session& session, const SpoolExportOptions& options);
int spool_import(Session& session, const SpoolImportOptions& options);

}  // namespace relay::ctl
