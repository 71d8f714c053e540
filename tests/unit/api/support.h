// What the API's tests share: a whole relay but for the network, on one loop run by the test.
#pragma once
#include <boost/json.hpp>
#include <optional>
#include <string>

#include "mta/intake/keys.h"
#include "mta/queue/dispatcher.h"
#include "relay-api/api.h"
#include "tests/unit/spool/support.h"
#include "tests/unit/support/test_loop.h"

namespace relay::api::test {

using relay::spool::test::must;

// Commits each operation at once; answers on the loop, as every writer does. Can be told to refuse.
class InstantWriter final : public spool::Writer {
 public:
  explicit InstantWriter(spool::Store& store) : store_(store) {}
  bool submit(spool::Operation operation, Executor& home, spool::Committed done) override {
    if (refuse) return false;
    const auto applied = store_.apply({&operation, 1});
    const Result<void> result = applied ? Result<void>() : std::unexpected(applied.error());
    if (done) home.post([result, done = std::move(done)]() mutable { done(result); });
    return true;
  }
  std::uint64_t unrecorded() const override { return 0; }
  spool::WriterState state() const override { return stats_.state; }
  spool::WriterStats stats() const override { return stats_; }
  void say(spool::WriterState state, std::string reason) {
    stats_.state = state;
    stats_.reason = std::move(reason);
  }
  bool refuse = false;

 private:
  spool::WriterStats stats_;
  spool::Store& store_;
};

// No name is ever answered, so nothing leaves and every recipient stays in the queue.
class SilentResolver final : public dns::Resolver {
 public:
  void mail_hosts(const std::string&, std::move_only_function<void(dns::MailHosts)>) override {}
  void addresses(const std::string&, std::move_only_function<void(dns::MailHosts)>) override {}
  void tlsa(const std::string&, std::uint16_t, Done<dns::TlsaRecords>) override {}
  void txt(const std::string&, Done<dns::Texts>) override {}
  void null_mx(const std::string&, Done<bool>) override {}
};
class NoDialer final : public net::Dialer {
 public:
  net::SessionId dial(const net::Target&, std::unique_ptr<wire::ClientDialog>, Progress) override {
    FAIL("nothing may be dialled");
    return {};
  }
  wire::ClientDialog* dialog(net::SessionId) override { return nullptr; }
  void kick(net::SessionId) override {}
};

struct Got {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string text;
  boost::json::value json;  // null if the body is not JSON

  std::string header(std::string_view name) const {
    for (const auto& [key, value] : headers)
      if (key == name) return value;
    return {};
  }
  std::string at(std::string_view pointer) const {
    boost::json::error_code ec;
    const boost::json::value* value = json.find_pointer({pointer.data(), pointer.size()}, ec);
    if (value == nullptr) return "(none)";
    return value->is_string() ? std::string(value->get_string().c_str()) : boost::json::serialize(*value);
  }
};

struct Relay {
  spool::test::TempDir directory;
  relay::test::TestLoop loop;
  SeededRng rng{7};
  std::unique_ptr<spool::Store> store = must(spool::open_lmdb({directory.spool(), 64u << 20, false}));
  InstantWriter writer{*store};
  std::unique_ptr<intake::KeyRing> keys = must(intake::KeyRing::load(*store, writer));
  queue::Router router{{}};
  SilentResolver resolver;
  NoDialer dialer;
  spool::PostingLoader loader{*store};
  queue::Scheduler scheduler{{loop, dialer, resolver, writer, loader, router, rng}, {}};
  queue::Dispatcher dispatcher{router};
  intake::Intake intake{intake_settings(), writer, *store, dispatcher, *keys};
  intake::AuthGuard guard{{}};
  Api api{{loop,
           rng,
           intake,
           *keys,
           guard,
           dispatcher,
           *store,
           writer,
           loader,
           {"1.2.3", loop.wall(), "sync", 10000}},
          {.host_name = "relay.test"}};
  std::string key;

  Relay() {
    dispatcher.add(loop, scheduler);
    key = make_key("acme");
  }
  static intake::IntakeSettings intake_settings() {
    intake::IntakeSettings settings;
    settings.host_name = "relay.test";
    settings.message_bytes = 1u << 20;
    settings.recipients = 10;
    return settings;
  }

  std::string make_key(const std::string& account) {
    std::string text;
    keys->create({account}, "test", {}, loop, rng, [&](Result<intake::KeyRing::Created> created) {
      text = must(std::move(created)).text.reveal();
    });
    loop.run();
    return text;
  }

  Got send(net::HttpRequest request, Door door) {
    std::optional<net::HttpResponse> answer;
    int answers = 0;
    api.handle(std::move(request), door, [&](net::HttpResponse response) {
      answer = std::move(response);
      ++answers;
    });
    loop.run();
    REQUIRE(answers == 1);
    boost::json::error_code ec;
    return {answer->status, answer->headers, answer->body, boost::json::parse(answer->body, ec)};
  }

  // As an application with `key`.
  Got app(const std::string& method, const std::string& target, const std::string& body = {}) {
    return send(request(method, target, body, {{"authorization", "Bearer " + key}}), Door::application);
  }
  Got admin(const std::string& method, const std::string& target, const std::string& body = {}) {
    return send(request(method, target, body, {}), Door::administration);
  }
  static net::HttpRequest request(const std::string& method, const std::string& target,
                                  const std::string& body,
                                  std::vector<std::pair<std::string, std::string>> headers) {
    net::HttpRequest request;
    request.method = method;
    request.path = target.substr(0, target.find('?'));
    if (request.path.size() < target.size()) request.query = target.substr(request.path.size() + 1);
    request.headers = std::move(headers);
    if (!body.empty()) request.headers.emplace_back("content-type", "application/json");
    request.body = body;
    return request;
  }

  std::string accepted(const std::string& to = "b@example.net") {
    const Got got = app("POST", "/v1/messages",
                        R"({"from":"A <a@example.org>","to":")" + to + R"(","subject":"Hi","text":"x"})");
    REQUIRE(got.status == 202);
    return got.at("/id");
  }
};

}  // namespace relay::api::test
