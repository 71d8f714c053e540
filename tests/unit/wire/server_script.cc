#include "tests/unit/wire/server_script.h"

#include <fstream>
#include <sstream>

namespace relay::wire {

ServerSettings submission_settings() {
  ServerSettings settings;
  settings.host_name = "mx.test";
  settings.limits.message_bytes = 1000;
  settings.limits.recipients = 3;
  return settings;
}

ServerSettings sink_settings() {
  ServerSettings settings = submission_settings();
  settings.require_auth = false;
  return settings;
}

ScriptedServer::ScriptedServer(ServerSettings settings, bool implicit_tls)
    : dialog(std::make_shared<const ServerSettings>(std::move(settings)), *this) {
  const TlsInfo tls{"TLSv1.3", "test"};
  dialog.on_open({"192.0.2.1", 4000}, implicit_tls ? &tls : nullptr, now);
  pump();
}

void ScriptedServer::feed(std::string_view bytes) {
  if (dialog.wants() == Want::bytes) dialog.on_bytes(bytes, now);
  pump();
}

void ScriptedServer::handshake() {
  REQUIRE(dialog.wants() == Want::tls_handshake);
  dialog.on_tls({"TLSv1.3", "test"}, now);
  pump();
}

void ScriptedServer::pump() {
  while (auto action = dialog.take_action()) {
    CHECK(dialog.wants() == Want::hold);
    if (!answering) {
      asked = std::move(action);
      break;
    }
    if (auto* auth = std::get_if<AuthRequest>(&*action)) {
      std::string password(auth->password.reveal());
      authentications.push_back(auth->mechanism + " " + auth->user + " " + password);
      AuthResult result;
      if (auth->user == "app" && password == "secret") result.identity = Identity{"acc_1", "app"};
      result.temporary = auth->user == "busy";
      if (auth->user == "barred") result.refusal = Reply{550, "5.7.1", {"Not from there"}};
      if (auth->user == "locked") {
        result.refusal = Reply{454, "4.7.0", {"Locked out"}};
        result.counts = true;
      }
      dialog.on_auth_result(result, now);
    } else {
      taken.push_back(std::move(std::get<SubmitRequest>(*action)));
      bool refuse = taken.back().content->flatten().find("reject me") != std::string::npos;
      dialog.on_accept_result(refuse ? Reply{554, "5.7.1", {"No"}} : Reply{250, "2.0.0", {"Taken"}}, now);
    }
  }
  said += dialog.output().take_text();
  if (patient && !asked && dialog.wants() == Want::hold) {
    now = dialog.deadline();
    dialog.on_timeout(now);
    pump();
  }
}

Allowance ScriptedServer::allowance(const Identity* who, const ServerLimits& limits) {
  Allowance allowance{limits.message_bytes, limits.recipients};
  if (who != nullptr) allowance.release = {std::chrono::hours(1), *parse_rfc3339("2026-11-21T11:00:00Z")};
  return allowance;
}

std::optional<Reply> ScriptedServer::on_mail(const Identity*, const MailFrom& mail) {
  if (mail.reverse_path.starts_with("refused@")) return Reply{550, "5.7.1", {"Not you"}};
  return std::nullopt;
}

std::optional<Reply> ScriptedServer::on_rcpt(const Identity*, const Envelope&, const std::string& address) {
  if (address.ends_with("@refused.example")) return Reply{550, "5.1.1", {"No such user"}};
  return std::nullopt;
}

std::string describe(const SubmitRequest& m) {
  std::string out = "from <" + m.envelope.reverse_path + "> to";
  for (const auto& r : m.envelope.recipients) {
    out += " <" + r.address + ">";
    if (r.notify != 0) out += " notify=" + std::to_string(r.notify);
    if (!r.original.empty()) out += " orcpt=" + r.original;
  }
  if (m.envelope.ret != DsnReturn::unsaid) out += m.envelope.ret == DsnReturn::full ? " full" : " headers";
  if (!m.envelope.id.empty()) out += " id=" + m.envelope.id;
  if (m.hold) out += " hold";
  if (m.envelope.smtputf8) out += " utf8";
  if (m.envelope.eight_bit) out += " 8bit";
  if (m.tls) out += " tls";
  out += m.esmtp ? " esmtp " : " smtp ";
  return out + m.helo + " by '" + m.who.account + "'\n" + m.content->flatten();
}

namespace {

std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    switch (text[++i]) {
      case 'r': out += '\r'; break;
      case 'n': out += '\n'; break;
      case '0': out += '\0'; break;
      case 'x':
        out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
        i += 2;
        break;
      default: out += text[i];
    }
  }
  return out;
}

// A run of client bytes, or a handshake or a wait instead, and what the server must have said after it.
struct Step {
  enum class Kind { bytes, tls, wait } kind = Kind::bytes;
  std::string client = {};
  std::string server = {};
};

struct Script {
  ServerSettings settings;
  bool implicit_tls = false;
  std::vector<Step> steps;
  std::vector<std::string> messages;
  bool closes = false;
};

void set(Script& script, const std::string& line) {
  std::istringstream in(line);
  std::string name;
  std::uint64_t value = 0;
  in >> name >> value;
  ServerLimits& limits = script.settings.limits;
  const auto number = static_cast<std::uint32_t>(value);
  if (name == "sink")
    script.settings = sink_settings();
  else if (name == "implicit_tls")
    script.implicit_tls = true;
  else if (name == "strict")
    script.settings.bare_newlines = BareNewlines::refuse;
  else if (name == "no_dsn")
    script.settings.offer_dsn = false;
  else if (name == "no_starttls")
    script.settings.offer_starttls = false;
  else if (name == "message_bytes")
    limits.message_bytes = value;
  else if (name == "message_line_bytes")
    limits.message_line_bytes = value;
  else if (name == "command_line_bytes")
    limits.command_line_bytes = value;
  else if (name == "recipients")
    limits.recipients = number;
  else if (name == "messages")
    limits.messages = number;
  else if (name == "errors")
    limits.errors = number;
  else if (name == "errors_at_once")
    limits.errors_at_once = number;
  else if (name == "junk_commands")
    limits.junk_commands = number;
  else
    FAIL("unknown setting: " << line);
}

Script parse(const std::string& text, const ServerSettings& settings, bool implicit_tls) {
  Script script{settings, implicit_tls, {}, {}, false};
  script.steps.emplace_back();  // the greeting comes unasked
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line.starts_with("#")) continue;
    REQUIRE(line.size() >= 2);
    std::string rest = line.size() > 3 ? line.substr(3) : "";
    const std::string kind = line.substr(0, 2);
    if (kind == "= ") {
      set(script, line.substr(2));
    } else if (kind == "S:") {
      script.steps.back().server += rest + "\r\n";
    } else if (kind == "X:") {
      script.closes = true;
    } else if (kind == "M:") {
      script.messages.push_back(unescape(rest));
    } else if (kind == "T:" || kind == "W:") {
      script.steps.push_back({kind == "T:" ? Step::Kind::tls : Step::Kind::wait});
    } else {
      REQUIRE_MESSAGE((kind == "C:" || kind == "C="), "bad script line: " << line);
      if (script.steps.back().kind != Step::Kind::bytes || !script.steps.back().server.empty())
        script.steps.emplace_back();
      script.steps.back().client += kind == "C:" ? rest + "\r\n" : unescape(rest);
    }
  }
  return script;
}

void turn(ScriptedServer& server, Step::Kind kind) {
  if (kind == Step::Kind::tls) return server.handshake();
  if (kind == Step::Kind::bytes) return;
  REQUIRE(server.dialog.deadline() != never);
  server.now = server.dialog.deadline();
  server.dialog.on_timeout(server.now);
  server.pump();
}

Outcome outcome_of(ScriptedServer& server) {
  Outcome outcome{server.said, {}, server.dialog.wants()};
  for (const auto& message : server.taken) outcome.taken.push_back(describe(message));
  return outcome;
}

// The client's bytes between two handshakes or waits as one text, each with what comes before it.
std::vector<Step> phases(const Script& script) {
  std::vector<Step> all(1);
  for (const Step& step : script.steps) {
    if (step.kind != Step::Kind::bytes) all.push_back({step.kind});
    all.back().client += step.client;
  }
  return all;
}

template <class Feed>
Outcome replay(const Script& script, Feed feed) {
  ScriptedServer server(script.settings, script.implicit_tls);
  auto parts = phases(script);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    turn(server, parts[i].kind);
    feed(server, i, parts[i].client);
  }
  return outcome_of(server);
}

}  // namespace

static Outcome play(const Script& script) {
  ScriptedServer server(script.settings, script.implicit_tls);
  std::string expected;
  for (const Step& step : script.steps) {
    turn(server, step.kind);
    CAPTURE(step.client);
    server.feed(step.client);
    CHECK(server.said.substr(std::min(expected.size(), server.said.size())) == step.server);
    expected += step.server;
  }
  Outcome stepwise = outcome_of(server);
  CHECK((stepwise.wants == Want::close) == script.closes);

  CHECK(replay(script, [](ScriptedServer& s, std::size_t, const std::string& bytes) { s.feed(bytes); }) ==
        stepwise);
  CHECK(replay(script, [](ScriptedServer& s, std::size_t, const std::string& bytes) {
          for (char c : bytes) s.feed(std::string_view(&c, 1));
        }) == stepwise);
  auto parts = phases(script);
  for (std::size_t phase = 0; phase < parts.size(); ++phase) {
    for (std::size_t cut = 1; cut < parts[phase].client.size(); ++cut) {
      Outcome again = replay(script, [&](ScriptedServer& s, std::size_t i, const std::string& bytes) {
        s.feed(i == phase ? bytes.substr(0, cut) : bytes);
        if (i == phase) s.feed(bytes.substr(cut));
      });
      if (again == stepwise) continue;
      CAPTURE(cut);
      REQUIRE(again.said == stepwise.said);
      REQUIRE(again.taken == stepwise.taken);
      REQUIRE(again.wants == stepwise.wants);
    }
  }
  return stepwise;
}

Outcome play(const ServerSettings& settings, const std::string& text, bool implicit_tls) {
  return play(parse(text, settings, implicit_tls));
}

void play_file(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  REQUIRE_MESSAGE(!text.str().empty(), path << " cannot be read");
  const Script script = parse(text.str(), submission_settings(), false);
  CHECK(play(script).taken == script.messages);
}

}  // namespace relay::wire
