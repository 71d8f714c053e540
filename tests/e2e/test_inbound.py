"""The listener for bounces: it takes mail for the relay's own return-path domains, and relays nothing."""

import contextlib
import smtplib
import ssl

import pytest
from harness import Relay, Sink, free_port, wait_until

BOUNCE = ("From: MAILER-DAEMON@mx.example.net\r\nTo: b@bounces.example.com\r\nSubject: Undelivered mail\r\n\r\n"
          "It could not be delivered.\r\n")


@pytest.fixture(scope="module")
def inbound(tmp_path_factory):
    with contextlib.ExitStack() as stack:
        directory = tmp_path_factory.mktemp("inbound")
        sink = Sink.made(directory / "sinks", stack)
        port = free_port()
        relay = Relay(directory, sink.port, extra=f"""\
inbound:
  listen: [{{address: 127.0.0.1, port: {port}}}]
  domains: [bounces.example.com]
  message_size: 64KiB
""")
        stack.callback(relay.kill)
        relay.inbound, relay.sink = port, sink
        yield relay
        relay.stop()


def value(relay, name):
    line = next(x for x in relay.get("/metrics").splitlines() if x.startswith(name))
    return int(float(line.split()[-1]))


def test_a_bounce_is_taken_and_noted(inbound):
    before = value(inbound, "relay_inbound_messages_total")
    with smtplib.SMTP("127.0.0.1", inbound.inbound) as s:
        s.ehlo("mx.example.net")
        assert "auth" not in s.esmtp_features and "dsn" not in s.esmtp_features
        assert s.esmtp_features["size"] == "65536"
        s.starttls(context=ssl.create_default_context(cafile=inbound.certificate))
        s.ehlo("mx.example.net")
        assert s.sendmail("", ["b+msg@bounces.example.com"], BOUNCE) == {}
    wait_until(lambda: 'to="b+msg@bounces.example.com"' in inbound.process.tail(), "the log tells of it")
    line = next(x for x in inbound.process.tail().splitlines() if 'to="b+msg@bounces.example.com"' in x)
    assert 'subject="Undelivered mail"' in line and "tls=true" in line
    assert value(inbound, "relay_inbound_messages_total") == before + 1


def test_nothing_is_relayed(inbound):
    with smtplib.SMTP("127.0.0.1", inbound.inbound) as s:
        s.ehlo("mx.example.net")
        assert s.mail("spammer@example.net")[0] == 250
        for victim in ("victim@example.org", "victim@sub.bounces.example.com", "@bounces.example.com:victim@example.org",
                       "victim%example.org@example.org", "\"victim@bounces.example.com\"@example.org"):
            code, text = s.rcpt(victim)
            assert (code, text[:5]) == (550, b"5.7.1"), victim
        assert s.docmd("DATA")[0] == 554
        assert s.docmd("AUTH PLAIN AGEAYg==")[0] == 502
    assert inbound.sink.messages() == []
    assert inbound.open_recipients() == 0


def test_a_bare_newline_is_refused(inbound):
    with smtplib.SMTP("127.0.0.1", inbound.inbound) as s:
        s.ehlo("mx.example.net")
        s.mail("")
        s.rcpt("b@bounces.example.com")
        assert s.docmd("DATA")[0] == 354
        s.send(b"Subject: x\n.\r\nMAIL FROM:<evil@example.net>\r\n.\r\n")
        code, text = s.getreply()
        assert (code, text[:5]) == (554, b"5.6.0")
        assert s.noop()[0] == 250
