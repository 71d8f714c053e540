"""Limits of connections, and what happens when descriptors run out, with a real process."""

import contextlib
import os
import resource
import smtplib
import socket
import ssl

import pytest
from harness import BIN, Process, Relay, Sink, run_client, wait_until


class Limited(Relay):
    """A relay with a limit of open files."""

    files = 400

    def begin(self):
        self.process = Process(["prlimit", f"--nofile={self.files}:{self.files}", BIN / "relayd", "--config", self.config],
                               self.dir / "relayd.log")


@pytest.fixture
def world(tmp_path):
    with contextlib.ExitStack() as stack:
        sink = Sink.made(tmp_path / "sinks", stack)

        def make(kind=Limited, extra="", **replaced):
            class Configured(kind):
                CONFIG = kind.CONFIG.replace("submission:\n", "submission:\n" + replaced.get("submission", ""))

            relay = Configured(tmp_path, sink.port, extra="  connections: 20\nloops: 2\n" + extra)
            stack.callback(relay.kill)
            relay.sink = sink
            return relay

        yield make


def hello(port, address="127.0.0.1"):
    """A connection and the server's first line."""
    client = socket.create_connection(("127.0.0.1", port), timeout=30, source_address=(address, 0))
    try:
        return client, client.recv(1000).decode()
    except ConnectionResetError:
        return client, ""


def fill(port, stack, most=1000):
    """Connections until one is turned away: how many were taken, and what that one was told."""
    for taken in range(most):
        client, line = hello(port)
        stack.callback(client.close)
        if not line.startswith("220 "):
            return taken, line
    raise AssertionError(f"{most} connections were taken")


def log_in(relay):
    client = smtplib.SMTP("localhost", relay.starttls, timeout=60)
    client.starttls(context=ssl.create_default_context(cafile=str(relay.certificate)))
    client.login(relay.key_id, relay.key)
    return client


def send(client, token):
    client.sendmail("a@example.org", ["b@example.net"], f"Subject: {token}\r\n\r\nhello\r\n")


def served_again(relay):
    def again():
        client, line = hello(relay.starttls)
        client.close()
        return line.startswith("220 ")

    wait_until(again, "clients are served again")


def turned_away(relay, reason, protocol="smtp"):
    name = f'relay_sessions_turned_away_total{{protocol="{protocol}",reason="{reason}"}} '
    return next(float(line[len(name):]) for line in relay.get("/metrics").splitlines() if line.startswith(name))


def test_a_low_limit_of_files_lowers_the_connections_and_says_so(world, token):
    relay = world()
    assert "the limit of open files is 400, and the configuration can need" in relay.process.log.read_text()
    with contextlib.ExitStack() as stack:
        client = log_in(relay)
        taken, told = fill(relay.starttls, stack)
        assert 20 < taken < 400 and told.startswith("421 4.3.2 relay.test Too many connections")
        assert turned_away(relay, "connections") >= 1
        send(client, token)  # the sessions there are, the spool and the delivery are not concerned
        relay.sink.wait_for(token)
        _, told = hello(relay.implicit)
        assert told == ""
    served_again(relay)
    assert "no descriptor is left" not in relay.process.log.read_text()
    relay.stop()


def test_without_descriptors_clients_are_told_and_sessions_go_on(world, token):
    relay = world(kind=Relay)
    pid = relay.process.child.pid
    client = log_in(relay)
    send(client, token + "before")  # the connection to the sink is open from now on
    relay.sink.wait_for(token + "before")
    with contextlib.ExitStack() as stack:
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        highest = max(map(int, os.listdir(f"/proc/{pid}/fd")))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + 5, before[1]))
        _, told = fill(relay.starttls, stack, most=50)
        assert told.startswith("421 4.3.2 relay.test Too many connections"), told
        assert "no descriptor is left" in relay.process.log.read_text()
        for _ in range(100):  # and so does everybody else, at once
            _, line = fill(relay.starttls, stack, most=50)  # a file that the relay had open may be closed by now
            assert line.startswith("421 4.3.2 "), line
        refused, answer = hello(relay.http)
        refused.close()
        assert answer.startswith("HTTP/1.1 503 "), answer
        assert hello(relay.implicit)[1] == ""
        send(client, token)
    served_again(relay)
    relay.sink.wait_for(token)  # a delivery that found no descriptor is tried again
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    assert turned_away(relay, "descriptors") >= 101 and turned_away(relay, "descriptors", "http") >= 1
    relay.stop()


def test_the_limits_hold_over_all_loops(world):
    relay = world(kind=Relay, submission="  connections: 30\n  connections_per_address: 10\n")
    with contextlib.ExitStack() as stack:
        for address in ("127.0.0.2", "127.0.0.3", "127.0.0.4"):
            for _ in range(10):
                client, line = hello(relay.starttls, address)
                stack.callback(client.close)
                assert line.startswith("220 "), line
            client, line = hello(relay.starttls, address)
            client.close()
            expected = "421 4.3.2 relay.test Too many connections," if address == "127.0.0.4" else (
                "421 4.7.0 relay.test Too many connections from your address")
            assert line.startswith(expected), line
        assert turned_away(relay, "address") == 2 and turned_away(relay, "connections") == 1
    served_again(relay)
    relay.stop()


def test_slow_clients_with_large_messages_do_not_keep_small_mail_out(world, token):
    relay = world(kind=Relay, submission="  content_memory: 4MiB\n",
                  extra="limits: {message_size: 2MiB, attachment_size: 1MiB}\n")
    line = b"x" * 70 + b"\r\n"
    large = line * (1_500_000 // len(line))

    def begun():
        client = log_in(relay)
        for command in (("mail", "FROM:<a@example.org>"), ("rcpt", "TO:<b@example.net>")):
            assert client.docmd(*command)[0] == 250
        assert client.docmd("data")[0] == 354
        client.send(b"Subject: x\r\n\r\n" + large)
        return client

    slow = [begun() for _ in range(2)]
    wait_until(lambda: f'relay_content_memory_bytes{{protocol="smtp"}} {3 << 20}' in relay.get("/metrics"),
               "both are in memory")
    third = begun()
    assert third.docmd(".")[:1] == (452,)
    with pytest.raises(smtplib.SMTPSenderRefused) as refused:
        log_in(relay).sendmail("a@example.org", ["b@example.net"], b"Subject: x\r\n\r\n" + large)
    assert refused.value.smtp_code == 452  # by its size, before it is sent
    send(third, token + "small")
    relay.sink.wait_for(token + "small")
    assert "submission: near a limit" in relay.process.log.read_text()
    assert slow[0].docmd(".")[0] == 250
    slow[1].close()
    wait_until(lambda: 'relay_content_memory_bytes{protocol="smtp"} 0\n' in relay.get("/metrics"), "nothing is left")
    assert third.sendmail("a@example.org", ["b@example.net"], b"Subject: " + token.encode() + b"\r\n\r\n" + large) == {}
    relay.sink.wait_for(token)
    relay.stop()
