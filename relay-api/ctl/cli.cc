#include "relay-api/ctl/cli.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <ostream>

#include "mta/base/units.h"
#include "relay-api/ctl/cli_spool.h"
#include "relay-api/ctl/commands.h"
#include "relay-api/ctl/table.h"

namespace relay::ctl {
namespace {

// What the words say, gathered while they are parsed; `command` is the one command among them.
struct Words {
  std::string socket;
  bool json = false;
  std::function<int(Session&)> command;
  QueueListOptions queue_list;
  ControlOptions control;
  MessageListOptions message_list;
  KeyCreateOptions key;
  KeySetOptions key_set;
  LiftOptions lift;
  std::string id;
  bool content = false;
  std::string listen = "127.0.0.1:2526";
  sink::SinkOptions sink;
  bool run_sink = false;
};

void add_control(CLI::App& queue, Words& words, const std::string& verb, const std::string& description) {
  CLI::App* sub = queue.add_subcommand(verb, description);
  auto* which = sub->add_option_group("which", "One of these");
  which->add_option("id", words.control.ids, "Messages");
  which->add_option("--domain", words.control.domain, "Every recipient of this domain");
  which->add_flag("--all", words.control.all, "Everything in the queue");
  which->require_option(1);
  sub->callback([&words, verb] {
    words.command = [&words, verb](Session& s) { return queue_control(s, verb, words.control); };
  });
}

void add_queue(CLI::App& app, Words& words) {
  CLI::App* queue = app.add_subcommand("queue", "The recipients that are not finished");
  queue->require_subcommand(1);
  CLI::App* list = queue->add_subcommand("list", "List them");
  list->add_option("--domain", words.queue_list.domain, "Only of this domain");
  list->add_option("--status", words.queue_list.status, "Only queued or held")
      ->check(CLI::IsMember({"queued", "held"}));
  list->add_option("--limit", words.queue_list.limit, "At most so many")->check(CLI::Range(1, 500));
  list->add_option("--after", words.queue_list.after, "From where an earlier list ended");
  list->callback(
      [&words] { words.command = [&words](Session& s) { return queue_list(s, words.queue_list); }; });
  CLI::App* show = queue->add_subcommand("show", "Those of one message");
  show->add_option("id", words.id, "The message")->required();
  show->callback([&words] { words.command = [&words](Session& s) { return queue_show(s, words.id); }; });
  add_control(*queue, words, "retry", "Try now instead of waiting for the next attempt");
  add_control(*queue, words, "hold", "Keep back until released");
  add_control(*queue, words, "release", "Let go what is held");
  add_control(*queue, words, "cancel", "Give up for good, without a bounce");
}

void add_message(CLI::App& app, Words& words) {
  CLI::App* message = app.add_subcommand("message", "Messages, also finished ones");
  message->require_subcommand(1);
  CLI::App* list = message->add_subcommand("list", "List them, newest first");
  list->add_option("--account", words.message_list.account, "Only of this account");
  list->add_option("--limit", words.message_list.limit, "At most so many")->check(CLI::Range(1, 500));
  list->add_option("--before", words.message_list.before, "From where an earlier list ended");
  list->callback(
      [&words] { words.command = [&words](Session& s) { return message_list(s, words.message_list); }; });
  CLI::App* show = message->add_subcommand("show", "Recipients and events of one");
  show->add_option("id", words.id, "The message")->required();
  show->add_flag("--content", words.content, "Print the message itself instead");
  show->callback([&words] {
    words.command = [&words](Session& s) {
      return words.content ? message_content(s, words.id) : message_show(s, words.id);
    };
  });
  CLI::App* why_command =
      app.add_subcommand("why", "Why a message has not been delivered yet, and when it is tried next");
  why_command->add_option("id", words.id, "The message")->required();
  why_command->callback([&words] { words.command = [&words](Session& s) { return why(s, words.id); }; });
}

// A number with `decimals` at most, or "none".
CLI::Validator number_or_none(std::size_t decimals) {
  const auto fault = [decimals](const std::string& word) -> std::string {
    const auto digits = [](std::string_view text) {
      return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
    };
    const std::string_view text(word);
    const std::size_t point = std::min(text.find('.'), text.size());
    const bool whole = point == text.size();
    if (word == "none" ||
        (digits(text.substr(0, point)) && word.size() <= 16 &&
         (whole || (digits(text.substr(point + 1)) && text.size() - point - 1 <= decimals))))
      return {};
    return decimals > 0 ? "takes a number with three decimals at most, or none"
                        : "takes a whole number, or none";
  };
  return {fault, "NUMBER|none"};
}

// As relay.yaml takes sizes, or in bytes alone; what is asked for is bytes.
CLI::Validator size_or_none() {
  const auto in_bytes = [](std::string& word) -> std::string {
    if (word == "none" || word.find_first_not_of("0123456789") == std::string::npos) return {};
    const auto bytes = parse_size(word);
    if (!bytes) return "takes a size as in 25MB, 512KiB or 1000, or none: " + bytes.error().message;
    word = std::to_string(*bytes);
    return {};
  };
  return {in_bytes, "SIZE|none"};
}

void add_policy(CLI::App& command, KeyPolicyOptions& policy) {
  command.add_option("--domain", policy.domains, "A domain it may send as; *.example.com: all below it")
      ->allow_extra_args(false);
  command.add_option("--from", policy.addresses, "An address it may send as")->allow_extra_args(false);
  command.add_option("--check", policy.check, "Which senders of a message are checked")
      ->check(CLI::IsMember({"both", "envelope", "header"}));
  command.add_option("--network", policy.networks, "An address or a range from which it may be used")
      ->allow_extra_args(false);
  const auto number = [&command](const char* name, std::string& into, const char* what,
                                 std::size_t decimals = 0) {
    command.add_option(name, into, what)->check(number_or_none(decimals));
  };
  number("--recipients", policy.recipients, "Recipients of a message at most");
  command.add_option("--size", policy.size, "Size of a message at most, as in 25MB")
      ->transform(size_or_none())
      ->check(number_or_none(0));
  number("--rate", policy.rate, "Messages a second at most, as in 0.5", 3);
  number("--burst", policy.burst, "Messages that may come at once; else five seconds' worth of the rate");
  number("--daily", policy.daily, "Messages a day (UTC) at most");
  number("--sessions", policy.sessions, "Sessions at once at most");
}

void add_key(CLI::App& app, Words& words) {
  CLI::App* key = app.add_subcommand("key", "API keys");
  key->require_subcommand(1);
  CLI::App* create = key->add_subcommand("create", "Make one and show it, this once");
  create->add_option("--account", words.key.account, "Whose it is")->capture_default_str();
  create->add_option("--label", words.key.label, "What it is for");
  add_policy(*create, words.key.policy);
  create->callback([&words] { words.command = [&words](Session& s) { return key_create(s, words.key); }; });
  key->add_subcommand("list", "List them")->callback([&words] {
    words.command = [](Session& s) { return key_list(s); };
  });
  CLI::App* show = key->add_subcommand("show", "What one may do");
  show->add_option("id", words.id, "The key's id")->required();
  show->callback([&words] { words.command = [&words](Session& s) { return key_show(s, words.id); }; });
  CLI::App* set = key->add_subcommand("set", "Change what one may do, at once; none takes a limit away");
  set->add_option("id", words.key_set.id, "The key's id")->required();
  set->add_option("--label", words.key_set.label, "What it is for");
  add_policy(*set, words.key_set.policy);
  set->callback([&words] { words.command = [&words](Session& s) { return key_set(s, words.key_set); }; });
  CLI::App* revoke = key->add_subcommand("revoke", "Let one count no more");
  revoke->add_option("id", words.id, "The key's id")->required();
  revoke->callback([&words] { words.command = [&words](Session& s) { return key_revoke(s, words.id); }; });
  app.add_subcommand("status", "How relayd and its spool fare")->callback([&words] {
    words.command = [](Session& s) { return status(s); };
  });
  app.add_subcommand("stats", "Numbers of the queue and of attempts")->callback([&words] {
    words.command = [](Session& s) { return stats(s); };
  });
}

void add_lockout(CLI::App& app, Words& words) {
  CLI::App* lockout = app.add_subcommand("lockout", "Who is locked out after failed authentications");
  lockout->require_subcommand(1);
  lockout->add_subcommand("list", "List them")->callback([&words] {
    words.command = [](Session& s) { return lockout_list(s); };
  });
  CLI::App* lift = lockout->add_subcommand("lift", "Let them try again");
  auto* which = lift->add_option_group("which", "One of these");
  which->add_option("subject", words.lift.subject, "An address or an account");
  which->add_flag("--all", words.lift.all, "Everyone");
  which->require_option(1);
  lift->callback([&words] { words.command = [&words](Session& s) { return lockout_lift(s, words.lift); }; });
}

void add_tls(CLI::App& app, Words& words) {
  CLI::App* tls = app.add_subcommand("tls", "The certificates relayd shows");
  tls->require_subcommand(1);
  tls->add_subcommand("reload", "Read them anew; open sessions go on")->callback([&words] {
    words.command = [](Session& s) { return tls_reload(s); };
  });
}

void add_sink(CLI::App& app, Words& words) {
  CLI::App* sink =
      app.add_subcommand("sink", "Take every message by SMTP and deliver none, for trying things out");
  sink->add_option("--listen", words.listen, "Address and port; port 0 takes any")->capture_default_str();
  sink->add_option("--store", words.sink.store_directory, "Keep the messages in this directory");
  sink->add_flag("--quiet", words.sink.quiet, "Print nothing for a message");
  sink->add_option("--name", words.sink.host_name, "The name it greets with")->capture_default_str();
  auto* certificate =
      sink->add_option("--certificate", words.sink.certificate_file, "PEM file, to offer STARTTLS");
  auto* key = sink->add_option("--key", words.sink.key_file, "PEM file of the certificate's key");
  certificate->needs(key);
  key->needs(certificate);
  sink->callback([&words] { words.run_sink = true; });
}

// "127.0.0.1:2526", "[::1]:2526".
bool split_listen(std::string_view text, sink::SinkOptions& options) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  std::string_view address = text.substr(0, colon);
  if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
  const std::string_view port = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), options.port);
  options.address = address;
  return !address.empty() && !port.empty() && error == std::errc() && end == port.data() + port.size();
}

// What is wrong with the words, by the first that nobody has taken: the parser only says that another is
// missing.
std::string usage_words(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* last = &app;
  std::string command;
  while (!last->get_subcommands().empty()) {
    last = last->get_subcommands().front();
    command += last->get_name() + " ";
  }
  const auto left = app.remaining(true);
  const std::string word = left.empty() ? "" : safe_text(left.front());
  const bool group = last->get_require_subcommand_min() > 0;
  const auto is = [&error](CLI::ExitCodes code) { return error.get_exit_code() == static_cast<int>(code); };
  if ((!is(CLI::ExitCodes::RequiredError) && !is(CLI::ExitCodes::ExtrasError)) || (word.empty() && !group))
    return fmt::format("{}\nRun with --help for more information.", safe_text(error.what()));
  const std::string help = fmt::format("relayctl {}--help", command);
  if (word.empty()) return fmt::format("a command is missing; {} lists them", help);
  if (word.starts_with('-')) return fmt::format("there is no option {}; {} lists them", word, help);
  if (group) return fmt::format("there is no command {}{}; {} lists them", command, word, help);
  return fmt::format("{} is too much; {} says what it takes", word, help);
}

int execute(const Words& words, const Environment& environment) {
  if (words.run_sink) {
    sink::SinkOptions options = words.sink;
    if (split_listen(words.listen, options)) return environment.run_sink(options);
    environment.err << "relayctl: --listen takes an address and a port, as in 127.0.0.1:2526\n";
    return exit_usage;
  }
  Session session{environment.connect(words.socket),
                  environment.out,
                  environment.err,
                  environment.width,
                  words.json,
                  environment.now,
                  environment.in,
                  environment.progress,
                  !words.socket.empty(),
                  environment.clock,
                  environment.configured_spool};
  return words.command(session);
}

}  // namespace

int run(int argc, const char* const* argv, const Environment& environment) {
  Words words;
  CLI::App app("Looks into a running relayd and controls it.", "relayctl");
  app.fallthrough();  // --socket and --json are understood after a command too
  app.require_subcommand(1);
  app.add_option("--socket", words.socket,
                 "relayd's socket; else RELAY_SOCKET, var/relay.sock, /run/relay/relay.sock");
  app.add_flag("--json", words.json, "Print the API's JSON instead of tables and sentences");
  app.set_version_flag("--version", "relayctl " + environment.version, "Print the version and exit");
  add_queue(app, words);
  add_message(app, words);
  add_key(app, words);
  add_lockout(app, words);
  add_tls(app, words);
  add_sink(app, words);
  add_spool(app, words.command);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error, environment.out, environment.err);
    environment.err << "relayctl: " << usage_words(app, error) << "\n";
    return exit_usage;
  }
  const int code = execute(words, environment);
  environment.out.flush();
  return code;
}

}  // namespace relay::ctl
