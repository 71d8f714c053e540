// Hosts that refuse, break off, hang, throttle and go away.
#include <doctest/doctest.h>

#include "tests/sim/world.h"

using namespace relay;
using namespace relay::sim;
using namespace std::chrono_literals;
using queue::Control;
using spool::EventType;
using spool::Status;

namespace {

Act reply(std::string text) { return {.kind = Act::Kind::reply, .text = std::move(text)}; }
Act act(Act::Kind kind) { return {.kind = kind, .text = ""}; }

// Does `what` at `point`, the first `times` times it comes there.
HostScript at(Point point, Act what, std::uint32_t times = UINT32_MAX) {
  HostScript script;
  script.act = [=, left = times](Point p, const std::string&, Instant) mutable {
    return p == point && left > 0 && left-- > 0 ? what : Act{};
  };
  return script;
}

}  // namespace

TEST_CASE("greylisting: deferred, then delivered by the retry") {
  World w(20);
  w.host("a.example", "192.0.2.1", at(Point::rcpt, reply("451 4.7.1 greylisted"), 3));
  const auto id = w.submit({"one@a.example", "two@a.example", "three@a.example", "four@a.example"});
  w.run(10s);
  CHECK(w.recipient(id, 0).status == Status::queued);
  CHECK(w.recipient(id, 3).status == Status::delivered);
  const auto first = w.events(id, 0);
  REQUIRE(first.size() == 1);
  CHECK(first[0].type == EventType::deferred);
  CHECK(first[0].reply.code == 451);
  CHECK(first[0].stage == "sending RCPT TO");
  // Those deferred together stay together.
  CHECK(w.recipient(id, 0).next_attempt == w.recipient(id, 2).next_attempt);
  CHECK(w.run_until_done(2min));
  CHECK(w.net.host("192.0.2.1").transactions == 2);
  w.check();
}

TEST_CASE("a permanent refusal of one recipient fails it alone, at once") {
  World w(21);
  HostScript script;
  script.act = [](Point p, const std::string& who, Instant) {
    return p == Point::rcpt && who.starts_with("bad") ? reply("550 5.1.1 no such user") : Act{};
  };
  w.host("a.example", "192.0.2.1", script);
  const auto id = w.submit({"good@a.example", "bad@a.example", "fine@a.example"});
  CHECK(w.run_until_done(1min));
  CHECK(w.recipient(id, 0).status == Status::delivered);
  CHECK(w.recipient(id, 1).status == Status::failed);
  CHECK(w.recipient(id, 2).status == Status::delivered);
  CHECK(w.events(id, 1)[0].reply.enhanced == "5.1.1");
  w.check();
}

TEST_CASE("whatever one of two hosts does before it has the message, the other gets it in the same attempt") {
  struct Row {
    Point point;
    Act what;
  };
  const Act drop = act(Act::Kind::drop), hang = act(Act::Kind::hang);
  const Row rows[] = {
      {Point::connect, act(Act::Kind::refuse)},
      {Point::connect, hang},
      {Point::greeting, drop},
      {Point::greeting, hang},
      {Point::greeting, reply("421 busy")},
      {Point::greeting, reply("554 no service")},
      {Point::ehlo, drop},
      {Point::ehlo, hang},
      {Point::ehlo, reply("421 busy")},
      {Point::mail, drop},
      {Point::mail, hang},
      {Point::mail, reply("421 busy")},
      {Point::rcpt, drop},
      {Point::rcpt, hang},
      {Point::rcpt, reply("421 busy")},
      {Point::data, drop},
      {Point::data, hang},
      {Point::data, reply("421 busy")},
  };
  for (const bool pipelining : {true, false})
    for (const Row& row : rows) {
      CAPTURE(static_cast<int>(row.point));
      CAPTURE(row.what.text);
      World w(22);
      HostScript bad = at(row.point, row.what), good;
      bad.pipelining = good.pipelining = pipelining;
      w.host("a.example", "192.0.2.1", bad);
      auto& second = w.host("a.example", "192.0.2.2", good);
      const auto id = w.submit({"r@a.example", "s@a.example"});
      CHECK(w.run_until_done(1h));
      CHECK(second.delivered.size() == 2);
      CHECK(w.recipient(id).attempts == 1);
      w.check();
    }
}

TEST_CASE("whatever the only host does, at any point, the message is deferred and delivered later") {
  const Act acts[] = {act(Act::Kind::drop), act(Act::Kind::hang), reply("421 busy"),
                      reply("451 later"),   reply("999 what"),    reply("nonsense")};
  for (int point = 0; point < points; ++point)
    for (const Act& what : acts)
      for (const bool pipelining : {true, false}) {
        CAPTURE(point);
        CAPTURE(static_cast<int>(what.kind));
        CAPTURE(what.text);
        World w(23);
        HostScript script = at(static_cast<Point>(point), what, 2);
        script.pipelining = pipelining;
        script.starttls = true;
        auto& a = w.host("a.example", "192.0.2.1", script);
        const auto id = w.submit({"r@a.example", "s@a.example"});
        CHECK(w.run_until_done(8h));
        CHECK(a.delivered.size() >= 2);
        CHECK(w.recipient(id, 0).status == Status::delivered);
        CHECK(w.recipient(id, 1).status == Status::delivered);
        w.check();
      }
}

TEST_CASE("broken off or hanging amid a large content, the message goes to the other host at once") {
  for (const Act& what : {act(Act::Kind::drop), act(Act::Kind::hang)}) {
    World w(33);
    w.host("a.example", "192.0.2.1", at(Point::content, what));
    auto& second = w.host("a.example", "192.0.2.2");
    const auto id =
        w.submit({"r@a.example"}, std::string(900, 'x') + "\r\n" + std::string(3000000, 'y') + "\r\n");
    CHECK(w.run_until_done(1h));
    CHECK(second.delivered.size() == 1);
    CHECK(w.recipient(id).attempts == 1);
    w.check();
  }
}

TEST_CASE("a lost reply to the final dot is recorded as in doubt and retried after the pause") {
  World w(24);
  auto& a = w.host("a.example", "192.0.2.1", at(Point::final_dot, act(Act::Kind::take_and_drop), 1));
  auto& second = w.host("a.example", "192.0.2.2");
  const auto id = w.submit({"r@a.example"});
  w.run(30s);
  CHECK(second.delivered.empty());  // another host would surely make a duplicate
  REQUIRE(w.events(id).size() == 1);
  CHECK(w.events(id)[0].in_doubt);
  CHECK(w.events(id)[0].type == EventType::deferred);
  CHECK(w.scheduler->stats().in_doubt == 1);
  CHECK(w.run_until_done(5min));
  CHECK(a.delivered.size() == 2);
  w.check();
}

TEST_CASE("a host that always loses the reply does not keep the mail from the other host for ever") {
  World w(32);
  w.host("a.example", "192.0.2.1", at(Point::final_dot, act(Act::Kind::drop)));
  auto& second = w.host("a.example", "192.0.2.2");
  w.submit({"r@a.example"});
  CHECK(w.run_until_done(1h));
  CHECK(second.delivered.size() == 1);
  w.check();
}

TEST_CASE("a site that is down is probed by one message at growing pauses, and costs the others nothing") {
  World w(25);
  auto& a = w.host("a.example", "192.0.2.1", down_until(w.loop.now() + 10h));
  auto& other = w.host("b.example", "192.0.2.2");
  std::vector<MessageId> ids;
  for (int i = 0; i < 200; ++i) ids.push_back(w.submit({"r@a.example"}));
  w.submit({"r@b.example"});
  w.run(1min);
  CHECK(other.delivered.size() == 1);
  CHECK(a.dials <= 6);  // the first connections were opened together
  w.run(9h);
  CHECK(a.dials < 24);  // 1, 2, 4 ... 240 minutes
  std::uint32_t attempts = 0;
  for (const auto& id : ids) attempts += w.recipient(id).attempts;
  CHECK(attempts == a.dials - 4);
  CHECK(w.run_until_done(6h));
  CHECK(a.delivered.size() == 200);
  w.check();
}

TEST_CASE("mail for a site that never comes back fails when the window ends") {
  World w(26);
  w.host("a.example", "192.0.2.1", down_until(never));
  std::vector<MessageId> ids;
  for (int i = 0; i < 50; ++i) ids.push_back(w.submit({"r@a.example"}));
  w.run(71h);
  CHECK(w.scheduler->stats().open == 50);
  CHECK(w.run_until_done(8h));
  for (const auto& id : ids) {
    const auto events = w.events(id);
    CHECK(w.recipient(id).status == Status::failed);
    REQUIRE(!events.empty());
    CHECK(events.back().reply.code == 0);
    CHECK(events.back().detail.starts_with("4.4.7 delivery time expired after 72 h; last: "));
  }
  w.check();
}

TEST_CASE("a recipient deferred all along has its last attempt when the window ends") {
  World w(27);
  auto& a = w.host("a.example", "192.0.2.1", at(Point::rcpt, reply("450 4.2.1 mailbox busy")));
  const auto id = w.submit({"r@a.example"});
  CHECK(w.run_until_done(72h + 1min));
  const auto events = w.events(id);
  CHECK(w.recipient(id).status == Status::failed);
  CHECK(events.back().detail == "4.4.7 delivery time expired after 72 h; last: 450 4.2.1 mailbox busy");
  CHECK(events.size() == a.transactions + 1);
  CHECK(a.transactions > 20);
  w.check();
}

TEST_CASE("a host that allows few connections gets few, and nothing is deferred for it") {
  World w(28);
  HostScript script;
  auto& a = w.host("a.example", "192.0.2.1");
  a.script.act = [&a](Point p, const std::string&, Instant) {
    return p == Point::greeting && a.open > 2 ? reply("421 4.7.0 too many connections") : Act{};
  };
  std::vector<MessageId> ids;
  for (int i = 0; i < 300; ++i) ids.push_back(w.submit({"r@a.example"}));
  CHECK(w.run_until_done(10min));
  CHECK(a.delivered.size() == 300);
  CHECK(w.scheduler->stats().deferred == 0);
  w.check();
}

TEST_CASE("a host that ends connections after some messages gets the rest on new ones") {
  World w(29);
  std::uint32_t mails = 0;
  HostScript script;
  script.act = [&](Point p, const std::string&, Instant) {
    return p == Point::mail && ++mails % 5 == 0 ? reply("421 4.7.0 enough for now") : Act{};
  };
  auto settings = World::quick();
  auto& a = w.host("a.example", "192.0.2.1", script);
  for (int i = 0; i < 100; ++i) w.submit({"r@a.example"});
  CHECK(w.run_until_done(30min));
  CHECK(a.delivered.size() == 100);
  w.check();
}

TEST_CASE("the DNS: no domain and null MX fail, a temporary fault waits, MX without address waits") {
  World w(30);
  w.resolver.table["null.example"].status = dns::MailHosts::Status::null_mx;
  w.resolver.table["later.example"].status = dns::MailHosts::Status::temporary;
  w.resolver.table["later.example"].detail = "SERVFAIL";
  const auto id = w.submit({"r@gone.example", "r@null.example", "r@later.example"});
  w.run(1min);
  CHECK(w.recipient(id, 0).status == Status::failed);
  CHECK(w.events(id, 0)[0].detail.starts_with("5.1.2"));
  CHECK(w.recipient(id, 1).status == Status::failed);
  CHECK(w.events(id, 1)[0].detail.starts_with("5.1.10"));
  CHECK(w.recipient(id, 2).status == Status::queued);
  CHECK(w.events(id, 2)[0].detail == "4.4.3 looking up mail hosts failed: SERVFAIL");
  w.host("later.example", "192.0.2.3");
  CHECK(w.run_until_done(10min));
  CHECK(w.recipient(id, 2).status == Status::delivered);
  w.check();
}

TEST_CASE("the DNS: a loop and hosts that are not public fail, bogus answers wait") {
  World w(230);
  w.resolver.table["loop.example"] = {
      dns::MailHosts::Status::loop, {}, "mx.loop.example is this relay itself"};
  w.resolver.table["inside.example"] = {
      dns::MailHosts::Status::refused, {}, "mx has 10.0.0.1, a private address"};
  w.resolver.table["[127.0.0.1]"].status = dns::MailHosts::Status::refused;
  auto& bogus = w.resolver.table["forged.example"];
  bogus.detail = "signature expired";
  bogus.bogus = true;
  const auto id = w.submit({"r@loop.example", "r@inside.example", "r@[127.0.0.1]", "r@forged.example"});
  w.run(1min);
  CHECK(w.events(id, 0)[0].detail ==
        "5.4.6 mail for the domain would come back to this relay: mx.loop.example is this relay itself");
  CHECK(w.events(id, 1)[0].detail ==
        "5.4.4 the domain's mail hosts have no public address: mx has 10.0.0.1, a private address");
  CHECK(w.events(id, 2)[0].detail.starts_with("5.4.4"));
  for (const std::uint32_t i : {0u, 1u, 2u}) CHECK(w.recipient(id, i).status == Status::failed);
  CHECK(w.recipient(id, 3).status == Status::queued);
  CHECK(w.events(id, 3)[0].detail ==
        "4.7.5 looking up mail hosts failed, as DNSSEC finds the answers not genuine: signature expired");
  w.host("forged.example", "192.0.2.3");
  w.resolver.table["forged.example"].bogus = false;
  CHECK(w.run_until_done(10min));
  CHECK(w.recipient(id, 3).status == Status::delivered);
  w.check();
}

TEST_CASE("a family without a route is left out for a while, where there is another") {
  World w(231);
  auto& v4 = w.host("a.example", "192.0.2.1");
  auto& v6 = w.net.add("2001:db8::1", {});
  w.resolver.table["a.example"].hosts[0].addresses = {"2001:db8::1", "192.0.2.1"};
  w.resolver.add("six.example", {"2001:db8::1"});
  w.net.ipv6 = false;
  w.submit({"r@a.example"});
  CHECK(w.run_until_done(1min));
  CHECK(v6.dials == 1);  // SimDialer counts what is refused too
  CHECK(v4.delivered.size() == 1);
  w.run(2min);  // looked up anew
  w.submit({"r@a.example"});
  CHECK(w.run_until_done(1min));
  CHECK(v6.dials == 1);
  CHECK(v4.delivered.size() == 2);
  const auto id = w.submit({"r@six.example"});  // has no other
  w.run(1s);
  CHECK(v6.dials == 2);
  CHECK(w.events(id)[0].detail == "network is unreachable while connecting");
  w.net.ipv6 = true;
  CHECK(w.run_until_done(10min));
  w.run(10min);
  w.submit({"r@a.example"});
  CHECK(w.run_until_done(1min));
  CHECK(v6.delivered.size() == 2);
  w.check();
}

TEST_CASE("mail from a domain that takes none is refused, and nobody waits for the DNS twice") {
  World w(232);
  auto& a = w.host("a.example", "192.0.2.1");
  w.resolver.table["null.example"].status = dns::MailHosts::Status::null_mx;
  const auto from = [&](const std::string& sender) {
    return w.submit_with({"r@a.example"}, [&](wire::Envelope& e) { e.reverse_path = sender; });
  };
  SUBCASE("quick") {}
  SUBCASE("slower than the host") { w.resolver.senders_latency = 10s; }
  const auto usual = from("me@relay.example"), nobody = from(""), literal = from("me@[192.0.2.9]");
  std::vector<MessageId> refused;
  for (int i = 0; i < 300; ++i) refused.push_back(from("me" + std::to_string(i) + "@null.example"));
  CHECK(w.run_until_done(5min));
  for (const auto& id : {usual, nobody, literal}) CHECK(w.recipient(id).status == Status::delivered);
  for (const auto& id : refused) {
    CHECK(w.recipient(id).status == Status::failed);
    CHECK(w.events(id)[0].detail == "5.7.27 the sender's domain accepts no mail itself (null MX)");
  }
  CHECK(a.delivered.size() == 3);
  CHECK(w.resolver.senders_asked == 2);
  w.run(World::quick().senders_fresh);
  from("me@relay.example");
  CHECK(w.run_until_done(1min));
  CHECK(w.resolver.senders_asked == 3);
  w.check();
}

TEST_CASE("a sender's domain does not matter to a route's host, nor where that is switched off") {
  auto settings = World::quick();
  bool routed = false;
  SUBCASE("routed") { routed = true; }
  SUBCASE("switched off") { settings.refuse_null_mx_senders = false; }
  World w(233, settings);
  w.host("a.example", "192.0.2.1");
  if (routed)
    w.router = std::make_unique<queue::Router>(
        std::vector<queue::RouteRule>{{"*", queue::HostPort{"192.0.2.1", 25}, false}});
  w.resolver.table["null.example"].status = dns::MailHosts::Status::null_mx;
  const auto id =
      w.submit_with({"r@a.example"}, [&](wire::Envelope& e) { e.reverse_path = "me@null.example"; });
  CHECK(w.run_until_done(1min));
  CHECK(w.recipient(id).status == Status::delivered);
  CHECK(w.resolver.senders_asked == 0);
  w.check();
}

TEST_CASE("while the sender's domain is looked up, its mail can be held, and the process can stop") {
  World w(234);
  auto& a = w.host("a.example", "192.0.2.1");
  w.resolver.senders_latency = 30s;
  const auto id = w.submit({"r@a.example"});
  w.run(2s);
  CHECK(w.recipient(id).status == Status::queued);
  CHECK(w.control(queue::Control::hold).changed == 1);
  w.run(1min);
  CHECK(a.delivered.empty());
  w.control(queue::Control::release);
  w.run(1s);
  CHECK(a.delivered.size() == 1);
  w.submit_with({"r@a.example"}, [&](wire::Envelope& e) { e.reverse_path = "me@other.example"; });
  w.run(2s);
  w.restart();
  CHECK(w.run_until_done(10min));
  CHECK(a.delivered.size() == 2);
  w.check();
}

TEST_CASE("an address that needs SMTPUTF8 fails at a host without it, and the connection serves the next") {
  World w(31);
  HostScript script;
  script.smtputf8 = false;
  auto& a = w.host("a.example", "192.0.2.1", script);
  const auto id = w.submit_with({"r\xc3\xa9@a.example"}, [](wire::Envelope& e) { e.smtputf8 = true; });
  const auto plain = w.submit({"r@a.example"});
  CHECK(w.run_until_done(1min));
  CHECK(w.recipient(id).status == Status::failed);
  CHECK(w.recipient(plain).status == Status::delivered);
  CHECK(a.delivered.size() == 1);
  w.check();
}
