#include "tests/unit/wire/server_script.h"

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
    : dialog(std::move(settings), *this) {
  const TlsInfo tls{"TLSv1.3", "test", false};
  dialog.on_open({"192.0.2.1", 4000}, implicit_tls ? &tls : nullptr, now);
  pump();
}

void ScriptedServer::feed(std::string_view bytes) {
  if (dialog.wants() == Want::bytes) dialog.on_bytes(bytes, now);
  pump();
}

void ScriptedServer::handshake() {
  REQUIRE(dialog.wants() == Want::tls_handshake);
  dialog.on_tls({"TLSv1.3", "test", false}, now);
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
      dialog.on_auth_result(result, now);
    } else {
      taken.push_back(std::move(std::get<SubmitRequest>(*action)));
      bool refuse = taken.back().content->flatten().find("reject me") != std::string::npos;
      dialog.on_accept_result(refuse ? Reply{554, "5.7.1", {"No"}} : Reply{250, "2.0.0", {"Taken"}}, now);
    }
  }
  said += dialog.output().take_text();
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
  for (const auto& r : m.envelope.recipients) out += " <" + r.address + ">";
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

// A run of client bytes and what the server must have said after it; `tls`: a handshake instead of bytes.
struct Step {
  bool tls = false;
  std::string client;
  std::string server;
};

struct Script {
  std::vector<Step> steps;
  bool closes = false;
};

Script parse(const std::string& text) {
  Script script;
  script.steps.emplace_back();  // the greeting comes unasked
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (line.empty()) continue;
    REQUIRE(line.size() >= 2);
    std::string rest = line.size() > 3 ? line.substr(3) : "";
    const std::string kind = line.substr(0, 2);
    if (kind == "S:") {
      script.steps.back().server += rest + "\r\n";
    } else if (kind == "X:") {
      script.closes = true;
    } else if (kind == "T:") {
      script.steps.push_back({true, "", ""});
    } else {
      REQUIRE_MESSAGE((kind == "C:" || kind == "C="), "bad script line: " << line);
      if (script.steps.back().tls || !script.steps.back().server.empty()) script.steps.emplace_back();
      script.steps.back().client += kind == "C:" ? rest + "\r\n" : unescape(rest);
    }
  }
  return script;
}

Outcome outcome_of(ScriptedServer& server) {
  Outcome outcome{server.said, {}, server.dialog.wants()};
  for (const auto& message : server.taken) outcome.taken.push_back(describe(message));
  return outcome;
}

// The client's bytes of one side of a handshake as one text.
std::vector<std::string> phases(const Script& script) {
  std::vector<std::string> all(1);
  for (const Step& step : script.steps) {
    if (step.tls) all.emplace_back();
    all.back() += step.client;
  }
  return all;
}

template <class Feed>
Outcome replay(const ServerSettings& settings, const Script& script, bool implicit_tls, Feed feed) {
  ScriptedServer server(settings, implicit_tls);
  auto parts = phases(script);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) server.handshake();
    feed(server, i, parts[i]);
  }
  return outcome_of(server);
}

}  // namespace

Outcome play(const ServerSettings& settings, const std::string& text, bool implicit_tls) {
  Script script = parse(text);
  ScriptedServer server(settings, implicit_tls);
  std::string expected;
  for (const Step& step : script.steps) {
    if (step.tls) server.handshake();
    CAPTURE(step.client);
    server.feed(step.client);
    CHECK(server.said.substr(std::min(expected.size(), server.said.size())) == step.server);
    expected += step.server;
  }
  Outcome stepwise = outcome_of(server);
  CHECK((stepwise.wants == Want::close) == script.closes);

  CHECK(replay(settings, script, implicit_tls,
               [](ScriptedServer& s, std::size_t, const std::string& bytes) { s.feed(bytes); }) == stepwise);
  CHECK(replay(settings, script, implicit_tls, [](ScriptedServer& s, std::size_t, const std::string& bytes) {
          for (char c : bytes) s.feed(std::string_view(&c, 1));
        }) == stepwise);
  auto parts = phases(script);
  for (std::size_t phase = 0; phase < parts.size(); ++phase) {
    for (std::size_t cut = 1; cut < parts[phase].size(); ++cut) {
      Outcome again = replay(settings, script, implicit_tls,
                             [&](ScriptedServer& s, std::size_t i, const std::string& bytes) {
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

}  // namespace relay::wire
