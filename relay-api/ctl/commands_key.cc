// relayctl key … and relayctl stats
#include <fmt/format.h>

#include <boost/json.hpp>
#include <ostream>

#include "mta/base/units.h"
#include "relay-api/ctl/commands.h"
#include "relay-api/ctl/table.h"
#include "relay-api/query.h"

namespace relay::ctl {
namespace json = boost::json;

namespace {

json::value list_value(const std::vector<std::string>& words) {
  json::array out;
  if (words != std::vector<std::string>{"none"})
    for (const auto& word : words) out.emplace_back(word);
  return out;
}

// The command line has seen to it that it is a number or "none".
json::value number_value(const std::string& word) {
  return word == "none" ? json::value(nullptr) : json::parse(word);
}

json::object policy_request(const KeyPolicyOptions& options) {
  json::object out;
  const auto list = [&](const char* name, const std::vector<std::string>& words) {
    if (!words.empty()) out[name] = list_value(words);
  };
  const auto number = [&](const char* name, const std::string& word) {
    if (!word.empty()) out[name] = number_value(word);
  };
  list("sending_domains", options.domains);
  list("from_addresses", options.addresses);
  if (!options.check.empty()) out["senders_checked"] = options.check;
  list("networks", options.networks);
  number("recipients_per_message", options.recipients);
  number("message_bytes", options.size);
  number("messages_per_second", options.rate);
  number("burst_messages", options.burst);
  number("messages_per_day", options.daily);
  number("sessions", options.sessions);
  return out;
}

const json::object& policy_of(const json::object& key) {
  static const json::object none;
  const json::value* policy = key.if_contains("policy");
  return policy != nullptr && policy->is_object() ? policy->get_object() : none;
}

std::vector<std::string> texts_of(const json::object& object, std::string_view name) {
  std::vector<std::string> texts;
  for (const json::value& entry : list_of(object, name))
    if (entry.is_string()) texts.emplace_back(entry.get_string().data(), entry.get_string().size());
  return texts;
}

// "0.5", as people write it and JSON's writer does not; empty for none.
std::string rate_of(const json::object& policy) {
  const json::value* rate = policy.if_contains("messages_per_second");
  if (rate == nullptr || !rate->is_number()) return {};
  json::error_code ignored;
  return fmt::format("{}", rate->to_number<double>(ignored));
}

std::vector<std::string> senders_of(const json::object& policy) {
  std::vector<std::string> all = texts_of(policy, "sending_domains");
  for (auto& address : texts_of(policy, "from_addresses")) all.push_back(std::move(address));
  return all;
}

// "example.com +2, 0.5/s, 1000 a day"; what is said of the others, show tells.
std::string gist(const json::object& policy) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  const auto first = [&](const std::vector<std::string>& all) {
    if (!all.empty()) add(all.size() == 1 ? all[0] : fmt::format("{} +{}", all[0], all.size() - 1));
  };
  first(senders_of(policy));
  first(texts_of(policy, "networks"));
  if (const std::string rate = rate_of(policy); !rate.empty()) add(rate + "/s");
  if (const auto n = number_of(policy, "messages_per_day"); n > 0) add(fmt::format("{} a day", n));
  if (const auto n = number_of(policy, "recipients_per_message"); n > 0)
    add(counted(n, "recipient", "recipients"));
  if (const auto n = number_of(policy, "message_bytes"); n > 0) add(size_words(n));
  if (const auto n = number_of(policy, "sessions"); n > 0) add(counted(n, "session", "sessions"));
  return or_dash(text);
}

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const auto& text : texts) all += (all.empty() ? "" : ", ") + text;
  return all;
}

void say_key(Session& session, const json::object& key) {
  const json::object& policy = policy_of(key);
  const auto line = [&](const char* title, const std::string& text) {
    if (!text.empty()) session.out << fmt::format("{:<12}{}\n", title, safe_text(text));
  };
  line("Id", text_of(key, "id"));
  line("Account", text_of(key, "account"));
  line("Label", text_of(key, "label"));
  line("Created", moment(text_of(key, "created_at")));
  if (const std::string revoked = text_of(key, "revoked_at"); !revoked.empty())
    line("Revoked", moment(revoked));
  line("Domains", joined(texts_of(policy, "sending_domains")));
  line("Addresses", joined(texts_of(policy, "from_addresses")));
  if (!senders_of(policy).empty()) line("Checked", text_of(policy, "senders_checked"));
  line("Networks", joined(texts_of(policy, "networks")));
  line("Recipients", text_of(policy, "recipients_per_message"));
  if (const auto bytes = number_of(policy, "message_bytes"); bytes > 0) line("Size", format_size(bytes));
  line("Per second", rate_of(policy));
  line("Burst", text_of(policy, "burst_messages"));
  const std::string daily = text_of(policy, "messages_per_day");
  if (!daily.empty())
    line("Per day", fmt::format("{}, {} sent today", daily, number_of(key, "messages_today")));
  line("Sessions", text_of(policy, "sessions"));
}

int show_answer(Session& session, const std::expected<json::value, int>& answer) {
  if (!answer) return answer.error();
  say_key(session, answer->get_object());
  return exit_ok;
}

}  // namespace

int key_create(Session& session, const KeyCreateOptions& options) {
  json::object request{{"account", options.account}, {"label", options.label}};
  if (json::object policy = policy_request(options.policy); !policy.empty()) request["policy"] = policy;
  const auto answer = ask(session, "POST", "/admin/v1/keys", json::serialize(request));
  if (!answer) return answer.error();
  const json::object& key = answer->get_object();
  session.out << fmt::format("Key      {}\nId       {}\nAccount  {}\n", safe_text(text_of(key, "key")),
                             safe_text(text_of(key, "id")), safe_text(text_of(key, "account")));
  session.out << "Keep the key now: it is not stored and cannot be shown again.\n";
  return exit_ok;
}

int key_show(Session& session, const std::string& id) {
  return show_answer(session, ask(session, "GET", "/admin/v1/keys/" + api::encode_percent(id)));
}

int key_set(Session& session, const KeySetOptions& options) {
  json::object request;
  if (options.label) request["label"] = *options.label;
  if (json::object policy = policy_request(options.policy); !policy.empty()) request["policy"] = policy;
  if (request.empty()) {
    session.err << "relayctl: nothing to set is given; relayctl key set --help lists what can be\n";
    return exit_usage;
  }
  return show_answer(session, ask(session, "PATCH", "/admin/v1/keys/" + api::encode_percent(options.id),
                                  json::serialize(request)));
}

int key_list(Session& session) {
  const auto answer = ask(session, "GET", "/admin/v1/keys");
  if (!answer) return answer.error();
  Table table({{"ID"},
               {"ACCOUNT"},
               {"CREATED"},
               {"REVOKED"},
               {"LIMITS", Column::Align::left, true},
               {"LABEL", Column::Align::left, true}});
  for (const json::value& entry : list_of(answer->get_object(), "data")) {
    const json::object& row = entry.as_object();
    table.add({text_of(row, "id"), text_of(row, "account"), moment(text_of(row, "created_at")),
               moment(text_of(row, "revoked_at")), gist(policy_of(row)), text_of(row, "label")});
  }
  if (table.empty())
    session.out << "There are no keys; make one with: relayctl key create\n";
  else
    session.out << table.render(session.width);
  return exit_ok;
}

int key_revoke(Session& session, const std::string& id) {
  const auto answer = ask(session, "POST", "/admin/v1/keys/" + api::encode_percent(id) + "/revoke", "{}");
  if (!answer) return answer.error();
  session.out << fmt::format("The key {} does not count any more.\n",
                             safe_text(text_of(answer->get_object(), "id")));
  return exit_ok;
}

int stats(Session& session) {
  const auto answer = ask(session, "GET", "/admin/v1/stats");
  if (!answer) return answer.error();
  // One row a number: its group, its name as the API has it, its value.
  Table table({{"GROUP"}, {"WHAT"}, {"NUMBER", Column::Align::right}});
  for (const auto& group : answer->get_object()) {
    if (!group.value().is_object()) continue;
    for (const auto& member : group.value().get_object()) {
      std::string name(member.key().data(), member.key().size());
      std::replace(name.begin(), name.end(), '_', ' ');
      table.add({std::string(group.key().data(), group.key().size()), std::move(name),
                 json::serialize(member.value())});
    }
  }
  session.out << table.render(session.width);
  return exit_ok;
}

}  // namespace relay::ctl
