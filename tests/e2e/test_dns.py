"""Where mail goes, and where not, by a real name server with signed zones. As root, for a network of its own."""

import contextlib
import os
import smtplib
import socket
import ssl
import subprocess

import pytest
from harness import BIN, Process, Relay, wait_until
from name_server import NameServer, network

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="not root, so there is no network of its own")

# Public addresses, as far as this network goes. At .9 nobody listens; 10.9.9.9 is somebody's inside.
ADDRESSES = ["9.1.0.1/32", "9.1.0.2/32", "9.1.0.9/32", "10.9.9.9/32", "2a00:0:0:1::1/128"]
SINKS = ["9.1.0.1:25", "9.1.0.2:25", "10.9.9.9:25", "127.0.0.1:25", "[2a00:0:0:1::1]:25"]

DIGEST = "aa" * 32
GOOD = f"""\
@ MX 10 mx
@ MX 20 mx2.plain.
mx A 9.1.0.1
alias CNAME mx
away CNAME mx2.plain.
_25._tcp.mx TLSA 3 1 1 {DIGEST}
_25._tcp.mx TLSA 3 1 9 {DIGEST}
_mta-sts TXT "v=STSv1; " "id=17;"
byalias MX 10 alias
byaway MX 10 away
implicit A 9.1.0.1
"""
PLAIN = """\
@ MX 10 mx.good.
mx2 A 9.1.0.2
implicit A 9.1.0.1
alias CNAME plain.
chained MX 10 one
one CNAME two
two CNAME three
three CNAME mx.good.
null MX 0 .
bare TXT "nothing"
dangling MX 10 nowhere
inside MX 10 box
box A 10.9.9.9
lo MX 10 loopback
loopback A 127.0.0.2
here MX 10 submission
submission A 127.0.0.1
mapped MX 10 loopback6
loopback6 AAAA ::ffff:127.0.0.2
partly MX 10 box
partly MX 20 mx2
self MX 10 relay.test.
self MX 20 mx.good.
before MX 5 mx.good.
before MX 10 relay.test.
dual MX 10 dual
dual A 9.1.0.9
dual AAAA 2a00:0:0:1::1
second MX 10 refusing
second MX 20 mx2
refusing A 9.1.0.9
xn--mller-kva MX 10 mx.good.
""" + "".join(f"many MX 10 many{i}\nmany{i} A 9.1.0.9\n" for i in range(12)) + "many MX 20 mx.good.\n"
ROOT = "silent. NS ns.\n"  # a server of its own has it
FORGED = "@ MX 10 mx\nmx A 9.1.0.1\n_25._tcp.mx TLSA 3 1 1 " + DIGEST + "\n"


def forge(zone, text):
    """Another address than was signed."""
    return text if zone in (".", "good.") else text.replace("9.1.0.1", "9.1.0.2")


class Direct(Relay):
    """By MX, unlike the other tests' relay."""

    CONFIG = Relay.CONFIG.replace('routes:\n  - {{match: "*", to: "127.0.0.1:{sink}"}}\n', "").replace(
        "delivery:\n", "delivery:\n  tls: none\n")


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    home = tmp_path_factory.mktemp("dns")
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(network(ADDRESSES))
        except OSError as error:
            pytest.skip(f"no network of its own: {error}")
        for number, address in enumerate(SINKS):
            store = home / f"sink{number}"
            store.mkdir()
            sink = Process([BIN / "relayctl", "sink", "--listen", address, "--store", store], home / "sink.log")
            stack.callback(sink.kill)
            host, port = address.rsplit(":", 1)
            wait_until(lambda at=(host.strip("[]"), int(port)): reaches(at), f"a sink listens on {address}")
        zones = {".": ROOT, "good.": GOOD, "plain.": PLAIN, "forged.": FORGED, "excused.": FORGED, "dead.": None}
        signed = NameServer(home / "signed", zones, signed=[".", "good.", "forged.", "excused."], forge=forge)
        stack.callback(signed.stop)
        unsigned = NameServer(home / "unsigned", {".": ROOT, "good.": GOOD, "plain.": PLAIN}, port=54)
        stack.callback(unsigned.stop)
        deaf = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        deaf.bind(("127.0.0.1", 55))

        class Net:
            pass

        Net.home, Net.signed, Net.stack, Net.count = home, signed, stack, 0
        yield Net


def reaches(at):
    with contextlib.suppress(OSError), socket.create_connection(at, timeout=1):
        return True
    return False


def relay_with(net, resolver="", delivery="", servers="127.0.0.1"):
    net.count += 1
    directory = net.home / f"relay{net.count}"
    directory.mkdir()
    made = Direct(directory, 0, retry_first="1h", extra=delivery + f"""\
resolver:
  servers: [{servers}]
  timeout: 3s
  trust_anchor: {net.signed.anchor}
  zones: [{{zone: silent, servers: [127.0.0.1@55]}}]
  insecure_zones: [excused]
{resolver}""")
    net.stack.callback(made.kill)
    return made


@pytest.fixture(scope="module")
def relay(net):
    made = relay_with(net)
    yield made
    made.stop()


def send(relay, recipients, sender="me@good", options=()):
    """What became of each: (status, event)."""
    with smtplib.SMTP("localhost", relay.starttls, timeout=60) as client:
        client.starttls(context=ssl.create_default_context(cafile=str(relay.certificate)))
        client.login(relay.key_id, relay.key)
        client.ehlo()
        assert client.mail(sender, options)[0] == 250
        for recipient in recipients:
            code, text = client.docmd("RCPT", f"TO:<{recipient}>") if recipient.isascii() else rcpt_utf8(client, recipient)
            assert code == 250, (recipient, text)
        code, answer = client.data(f"From: {sender}\r\nSubject: x\r\n\r\nhello\r\n")
        assert code == 250, answer
    id = answer.decode().split()[-1]

    def tried():
        shown = relay.ctl_json("message", "show", id)
        ends = [e for e in shown["events"] if e["type"] in ("delivered", "failed", "deferred")]
        return shown if len({e["recipient"] for e in ends}) == len(recipients) else None

    shown = wait_until(tried, "every recipient has been tried")
    outcome = {}
    for recipient, state in zip(recipients, shown["recipients"], strict=True):
        events = [e for e in shown["events"] if e["recipient"] == state["address"] and e["type"] != "queued"]
        outcome[recipient] = (state["status"], events[-1])
    return outcome


def rcpt_utf8(client, recipient):
    client.send(f"RCPT TO:<{recipient}>\r\n".encode())
    return client.getreply()


def log_of(relay):
    return (relay.dir / "relayd.log").read_text()


DELIVERED = {
    "good": "9.1.0.1",
    "plain": "9.1.0.1",
    "implicit.plain": "9.1.0.1",
    "alias.plain": "9.1.0.1",
    "chained.plain": "9.1.0.1",
    "partly.plain": "9.1.0.2",
    "before.plain": "9.1.0.1",
    "dual.plain": "2a00:0:0:1::1",
    "second.plain": "9.1.0.2",
    "excused": "9.1.0.2",  # forged, but nobody asks
    "[9.1.0.1]": "9.1.0.1",
}
REFUSED = {
    "gone.plain": ("failed", "5.1.2 ", "domain gone.plain does not exist"),
    "nowhere.at.all": ("failed", "5.1.2 ", "does not exist"),
    "bare.plain": ("failed", "5.1.2 ", "bare.plain has neither MX nor address"),
    "dangling.plain": ("failed", "5.1.2 ", "no MX host of dangling.plain has an address"),
    "null.plain": ("failed", "5.1.10 ", "null MX"),
    "inside.plain": ("failed", "5.4.4 ", "box.plain has 10.9.9.9, a private address"),
    "lo.plain": ("failed", "5.4.4 ", "loopback.plain has 127.0.0.2, a loopback address"),
    "here.plain": ("failed", "5.4.6 ", "submission.plain is this relay itself"),
    "mapped.plain": ("failed", "5.4.4 ", "a loopback address"),
    "[10.9.9.9]": ("failed", "5.4.4 ", "a private address"),
    "[127.0.0.1]": ("failed", "5.4.6 ", "this relay itself"),
    "self.plain": ("failed", "5.4.6 ", "no mail host of self.plain is preferred to this relay"),
    "relay.test": ("failed", "5.1.2 ", "does not exist"),
    "dead": ("queued", "4.4.3 ", "SERVFAIL"),
    "silent": ("queued", "4.4.3 ", "timed out"),
    "forged": ("queued", "4.7.5 ", "DNSSEC validation failed"),
    "many.plain": ("queued", "connection refused", ""),
}


def test_mail_goes_where_the_dns_says(relay):
    outcome = send(relay, [f"r@{domain}" for domain in DELIVERED])
    for domain, address in DELIVERED.items():
        status, event = outcome[f"r@{domain}"]
        assert (status, address in event["host"]) == ("delivered", True), (domain, event)


def test_mail_that_goes_nowhere(relay):
    outcome = send(relay, [f"r@{domain}" for domain in REFUSED])
    for domain, (status, code, words) in REFUSED.items():
        got, event = outcome[f"r@{domain}"]
        assert got == status and event["detail"].startswith(code) and words in event["detail"], (domain, event)
    assert "DNS answers are validated (DNSSEC)" in log_of(relay)


def test_a_sender_that_takes_no_mail(relay):
    status, event = send(relay, ["r@good"], sender="me@null.plain")["r@good"]
    assert status == "failed" and event["detail"].startswith("5.7.27 "), event
    assert send(relay, ["r@good"], sender="me@nowhere.at.all")["r@good"][0] == "delivered"


def test_a_domain_in_its_own_script(relay):
    outcome = send(relay, ["r@müller.plain", "jürgen@müller.plain"], options=["SMTPUTF8"])
    assert [status for status, _ in outcome.values()] == ["delivered"] * 2, outcome


def test_limits_and_permissions_are_settings(net):
    made = relay_with(net, resolver="  hosts: 100\n", delivery="""\
  allow_networks: [10.9.0.0/16]
  prefer: ipv4
  addresses_per_attempt: 20
  refuse_null_mx_senders: false
""")
    outcome = send(made, ["r@inside.plain", "r@many.plain", "r@[10.9.9.9]", "r@lo.plain"], sender="me@null.plain")
    assert outcome["r@inside.plain"][0] == outcome["r@many.plain"][0] == outcome["r@[10.9.9.9]"][0] == "delivered", outcome
    assert outcome["r@lo.plain"][0] == "failed"
    made.stop()


def test_without_dnssec_on_the_way_nothing_is_validated_and_the_log_says_so(net):
    made = relay_with(net, servers="127.0.0.1@54")
    assert send(made, ["r@good"])["r@good"][0] == "delivered"
    assert "DNS answers are not validated" in log_of(made)
    made.stop()


def test_without_dnssec_on_the_way_mail_waits_if_that_is_wanted(net):
    made = relay_with(net, servers="127.0.0.1@54", resolver="  validate: yes\n")
    status, event = send(made, ["r@good"])["r@good"]
    assert status == "queued" and event["detail"].startswith("4.7.5 "), event
    assert "resolver.validate is yes, but" in log_of(made)
    made.stop()


def test_a_server_that_is_away_at_the_start_is_validated_once_it_is_there(net):
    made = relay_with(net, servers="127.0.0.1@56", resolver="  probe_timeout: 1s\n  probe_pause: 10s\n")
    status, event = send(made, ["r@good"])["r@good"]
    assert status == "queued" and event["detail"].startswith("4.4.3 "), event
    assert "DNS answers are not validated" in log_of(made)
    server = net.signed.twin(net.home / "twin", port=56)
    net.stack.callback(server.stop)
    wait_until(lambda: "DNS answers are validated (DNSSEC)" in log_of(made), "the next try succeeds")
    outcome = send(made, ["r@plain", "r@forged"])
    assert outcome["r@plain"][0] == "delivered"
    assert outcome["r@forged"][1]["detail"].startswith("4.7.5 "), outcome
    made.stop()


def looked_up(net, what, *names):
    done = subprocess.run([BIN / "dns_lookup", "127.0.0.1", net.signed.anchor, what, *names], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name, lines", [
    ("good", ["status ok secure true bogus false",
              "host mx.good preference 10 secure true addresses 9.1.0.1 tlsa mx.good",
              "host mx2.plain preference 20 secure false addresses 9.1.0.2 tlsa"]),
    ("plain", ["status ok secure false bogus false",
               "host mx.good preference 10 secure true addresses 9.1.0.1 tlsa mx.good"]),
    ("implicit.good", ["status ok secure true bogus false",
                       "host implicit.good preference 0 secure true addresses 9.1.0.1 tlsa implicit.good"]),
    ("byalias.good", ["status ok secure true bogus false",
                      "host alias.good preference 10 secure true addresses 9.1.0.1 tlsa mx.good alias.good"]),
    ("byaway.good", ["status ok secure true bogus false",
                     "host away.good preference 10 secure false addresses 9.1.0.2 tlsa away.good"]),
    ("forged", ["status temporary secure true bogus true"]),
])
def test_what_of_the_hosts_is_secure(net, name, lines):
    allowed = looked_up(net, "mail", name).splitlines()
    assert allowed == lines


@pytest.mark.parametrize("name, lines", [
    ("mx.good", ["status data secure true bogus false unusable 1", "record 3 1 1 of 32 octets"]),
    ("implicit.good", ["status no_domain secure true bogus false unusable 0"]),  # denied, with proof
    ("mx2.plain", ["status no_domain secure false bogus false unusable 0"]),
    ("mx.forged", ["status data secure true bogus false unusable 0", "record 3 1 1 of 32 octets"]),
])
def test_tlsa_records_and_their_denial(net, name, lines):
    assert looked_up(net, "tlsa", name).splitlines() == lines


def test_texts(net):
    assert looked_up(net, "txt", "_mta-sts.good").splitlines() == ["status data secure true bogus false",
                                                                   "text v=STSv1; id=17;"]
    assert looked_up(net, "txt", "_smtp._tls.good").splitlines() == ["status no_domain secure true bogus false"]
