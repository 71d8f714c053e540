#include "relay-api/ctl/spool_session.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <filesystem>
#include <ostream>

#include "relay-api/ctl/table.h"
#include "relay-api/utf8.h"

namespace relay::ctl {
namespace json = boost::json;
namespace {

constexpr auto show_every = std::chrono::milliseconds(200);

std::string configured(Session& session, const std::string& file, Result<std::string>& found) {
  found = session.configured_spool ? session.configured_spool(file)
                                   : fail(Errc::invalid, "no configuration can be read here");
  return found.value_or("");
}

}  // namespace

Result<std::string> find_spool(Session& session, const SpoolChoice& choice) {
  if (!choice.directory.empty()) return choice.directory;
  Result<std::string> found;
  if (!choice.config.empty()) return configured(session, choice.config, found), found;
  const auto reply = session.call("GET", "/admin/v1/spool", std::nullopt);
  if (reply && reply->status == 200) {
    json::error_code ec;
    const json::value answer = json::parse(reply->body, ec);
    if (!ec && answer.is_object()) return text_of(answer.get_object(), "directory");
  }
  if (session.socket_given)
    return fail(Errc::unavailable,
                fmt::format("relayd cannot be asked where its spool is ({}): name it with --spool",
                            reply ? fmt::format("status {}", reply->status) : reply.error().message));
  std::error_code ignored;
  if (std::filesystem::exists("var/spool/data.mdb", ignored)) return "var/spool";
  constexpr std::string_view system_config = "/etc/relay/relay.yaml";
  if (std::filesystem::exists(system_config, ignored))
    return configured(session, std::string(system_config), found), found;
  return "/var/spool/relay";
}

int unusable(Session& session, const Error& error) {
  session.err << "relayctl: " << safe_text(error.message) << "\n";
  return exit_unusable;
}

std::unique_ptr<spool::SpoolFile> open_spool(Session& session, const SpoolChoice& choice) {
  const auto directory = find_spool(session, choice);
  if (!directory) return unusable(session, directory.error()), nullptr;
  auto file = spool::SpoolFile::open(*directory);
  if (!file) return unusable(session, file.error()), nullptr;
  if (const auto known = spool::check_format(**file); !known)
    return unusable(session, known.error()), nullptr;
  return std::move(*file);
}

void say_line(Session& session, std::string_view name, std::string_view value) {
  session.out << fmt::format("{:<10}{}\n", name, safe_text(value));
}

std::string spool_words(const spool::SpoolFile& file) {
  const auto writer = file.writer();
  return writer ? fmt::format("{}; relayd runs on it (process {})", file.directory(), *writer)
                : fmt::format("{}; relayd does not run on it", file.directory());
}

std::string fault_words(const spool::Fault& fault) {
  std::string where;
  const auto add = [&](const std::string& text) { where += (where.empty() ? "" : ", ") + text; };
  if (fault.message) add(fault.message->text());
  if (fault.recipient) add(fmt::format("recipient {}", *fault.recipient));
  if (fault.table) add(fmt::format("table {}", spool::name(*fault.table)));
  if (where.empty()) where = "the file";
  return fmt::format("{}: {}. {}", where, fault.what, fault.means);
}

void say_fault(Session& session, std::ostream& to, const spool::Fault& fault) {
  std::string text = wrap(fault_words(fault), session.width, "  ");
  text[0] = '-';
  to << text;
}

json::object fault_object(const spool::Fault& fault) {
  json::object out{{"kind", spool::text(fault.kind)}};
  out["table"] = fault.table ? json::value(spool::name(*fault.table)) : json::value(nullptr);
  out["message"] = fault.message ? json::value(fault.message->text()) : json::value(nullptr);
  out["recipient"] = fault.recipient ? json::value(*fault.recipient) : json::value(nullptr);
  out["page"] = fault.page ? json::value(*fault.page) : json::value(nullptr);
  out["what"] = api::valid_utf8(fault.what);
  out["means"] = fault.means;
  return out;
}

ProgressLine::ProgressLine(Session& session)
    : session_(session), begun_(session.clock ? session.clock() : Instant()), shown_(begun_) {}

ProgressLine::~ProgressLine() { clear(); }

void ProgressLine::show(const std::function<std::string()>& text) {
  if (!session_.progress || !session_.clock) return;
  const Instant now = session_.clock();
  if (now - shown_ < show_every) return;
  shown_ = now;
  visible_ = true;
  const std::size_t width = session_.width > 1 ? session_.width - 1 : 79;
  session_.err << "\r" << cut(text(), width) << "\x1b[K" << std::flush;
}

void ProgressLine::clear() {
  if (visible_) session_.err << "\r\x1b[K" << std::flush;
  visible_ = false;
}

double ProgressLine::seconds() const {
  return session_.clock ? std::chrono::duration<double>(session_.clock() - begun_).count() : 0;
}

}  // namespace relay::ctl
