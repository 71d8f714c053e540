#include "mta/sink/store.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <sstream>
#include <system_error>

#include "mta/sink/text.h"

namespace relay::sink {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

std::string stem(std::uint64_t number) { return fmt::format("{:06}", number); }

std::string path_of(const std::string& directory, std::uint64_t number, std::string_view extension) {
  return fmt::format("{}/{}{}", directory, stem(number), extension);
}

// The number of "000123.json" or "000123.eml"; nothing for any other name.
std::optional<std::uint64_t> number_of(const fs::path& file) {
  const std::string name = file.stem().string();
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc{} || end != name.data() + name.size() || name != stem(number)) return std::nullopt;
  return number;
}

Result<void> write_whole(const std::string& path, const std::function<void(std::ostream&)>& write) {
  const std::string partial = path + ".part";
  {
    std::ofstream out(partial, std::ios::binary | std::ios::trunc);
    write(out);
    out.close();
    if (!out) return fail(Errc::system, fmt::format("cannot write {}", partial));
  }
  std::error_code error;
  fs::rename(partial, path, error);
  if (error) return fail(Errc::system, fmt::format("cannot rename {}: {}", partial, error.message()));
  return {};
}

Result<std::string> read_whole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail(Errc::not_found, fmt::format("there is no file {}", path));
  std::ostringstream all;
  all << in.rdbuf();
  if (in.bad()) return fail(Errc::system, fmt::format("cannot read {}", path));
  return std::move(all).str();
}

std::string to_json(const Mail& mail) {
  json::array recipients;
  for (const auto& r : mail.recipients) recipients.emplace_back(utf8(r));
  const json::object o{{"number", mail.number},
                       {"received", format_rfc3339(mail.received)},
                       {"received_ms", mail.received.time_since_epoch().count()},
                       {"from", utf8(mail.from)},
                       {"recipients", std::move(recipients)},
                       {"subject", utf8(mail.subject)},
                       {"size", mail.size},
                       {"helo", utf8(mail.helo)},
                       {"peer", mail.peer},
                       {"tls", mail.tls},
                       {"smtputf8", mail.smtputf8},
                       {"eight_bit", mail.eight_bit}};
  return json::serialize(o) + "\n";
}

Result<Mail> from_json(const std::string& path, const std::string& text) {
  const auto corrupt = [&] {
    return fail(Errc::corrupt, fmt::format("{} is not an envelope of the sink", path));
  };
  try {
    const json::value value = json::parse(text);
    const json::object& o = value.as_object();
    Mail mail;
    mail.number = o.at("number").to_number<std::uint64_t>();
    mail.received = WallTime(std::chrono::milliseconds(o.at("received_ms").to_number<std::int64_t>()));
    mail.from = o.at("from").as_string();
    for (const auto& r : o.at("recipients").as_array()) mail.recipients.emplace_back(r.as_string());
    mail.subject = o.at("subject").as_string();
    mail.size = o.at("size").to_number<std::uint64_t>();
    mail.helo = o.at("helo").as_string();
    mail.peer = o.at("peer").as_string();
    mail.tls = o.at("tls").as_bool();
    mail.smtputf8 = o.at("smtputf8").as_bool();
    mail.eight_bit = o.at("eight_bit").as_bool();
    return mail;
  } catch (const std::exception&) {
    return corrupt();
  }
}

// Numbers of the files with this extension, ascending.
Result<std::vector<std::uint64_t>> numbers(const std::string& directory, std::string_view extension) {
  std::error_code error;
  std::vector<std::uint64_t> found;
  fs::directory_iterator files(directory, error);
  if (error) return fail(Errc::not_found, fmt::format("cannot read {}: {}", directory, error.message()));
  for (; files != fs::directory_iterator(); files.increment(error)) {
    if (error) return fail(Errc::system, fmt::format("cannot read {}: {}", directory, error.message()));
    const auto number = number_of(files->path());
    if (number && files->path().extension() == extension) found.push_back(*number);
  }
  std::ranges::sort(found);
  return found;
}

}  // namespace

Mail describe(const wire::SubmitRequest& request, WallTime at) {
  Mail mail;
  mail.received = at;
  mail.from = request.envelope.reverse_path;
  for (const auto& r : request.envelope.recipients) mail.recipients.push_back(r.address);
  mail.subject = subject_of(*request.content);
  mail.size = request.content->size();
  mail.helo = request.helo;
  mail.peer = fmt::format("{}:{}", request.peer.address, request.peer.port);
  mail.tls = request.tls;
  mail.smtputf8 = request.envelope.smtputf8;
  mail.eight_bit = request.envelope.eight_bit;
  return mail;
}

Result<MailStore> MailStore::open(const std::string& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) return fail(Errc::system, fmt::format("cannot make {}: {}", directory, error.message()));
  std::uint64_t last = 0;
  for (const std::string_view extension : {".eml", ".json"}) {
    auto found = numbers(directory, extension);
    if (!found) return std::unexpected(found.error());
    if (!found->empty()) last = std::max(last, found->back());
  }
  return MailStore(directory, last + 1);
}

Result<Mail> MailStore::add(const wire::SubmitRequest& request, WallTime at) {
  Mail mail = describe(request, at);
  mail.number = next_;
  auto done = write_whole(path_of(directory_, mail.number, ".eml"), [&](std::ostream& out) {
    for (const auto& segment : request.content->segments())
      out.write(segment.data(), static_cast<std::streamsize>(segment.size()));
  });
  if (done)
    done = write_whole(path_of(directory_, mail.number, ".json"),
                       [&](std::ostream& out) { out << to_json(mail); });
  if (!done) return std::unexpected(done.error());
  ++next_;
  return mail;
}

Result<std::vector<Mail>> list(const std::string& directory) {
  auto found = numbers(directory, ".json");
  if (!found) return std::unexpected(found.error());
  std::vector<Mail> mails;
  for (const std::uint64_t number : *found) {
    auto mail = find(directory, number);
    if (!mail) return std::unexpected(mail.error());
    mails.push_back(std::move(*mail));
  }
  return mails;
}

Result<Mail> find(const std::string& directory, std::uint64_t number) {
  const std::string path = path_of(directory, number, ".json");
  auto text = read_whole(path);
  if (!text) return std::unexpected(text.error());
  return from_json(path, *text);
}

Result<std::string> content(const std::string& directory, std::uint64_t number) {
  return read_whole(path_of(directory, number, ".eml"));
}

}  // namespace relay::sink
