"""kill -9 while mail flows: every message that was acknowledged arrives."""

import collections
import http.client
import json
import random
import smtplib
import ssl
import threading
import uuid

import pytest
from harness import Relay, Sink, wait_until

KILLS = 5
SENDERS = 4


@pytest.fixture
def pair(tmp_path):
    sink = Sink(tmp_path)
    relay = Relay(tmp_path, sink.port)
    yield relay, sink
    relay.stop()
    sink.stop()


class Sender(threading.Thread):
    """Sends one message after another until told to stop; keeps a ledger of what was acknowledged."""

    def __init__(self, relay, context, over_http):
        super().__init__()
        self.relay, self.context, self.over_http = relay, context, over_http
        self.acknowledged = []
        self.done = threading.Event()

    def run(self):
        while not self.done.is_set():
            try:
                self.send_over_http() if self.over_http else self.send_over_smtp()
            except (OSError, smtplib.SMTPException, http.client.HTTPException, ValueError):
                self.done.wait(0.05)  # it was killed: again

    def send_over_smtp(self):
        with smtplib.SMTP("localhost", self.relay.starttls, timeout=10) as client:
            client.starttls(context=self.context)
            client.login(self.relay.key_id, self.relay.key)
            while not self.done.is_set():
                token = "crash" + uuid.uuid4().hex
                client.sendmail("s@example.org", ["a@example.net", "b@example.com"],
                                f"From: s@example.org\r\nSubject: {token}\r\n\r\n.{token}\r\n".encode() + b"x" * 3000)
                self.acknowledged.append(token)

    def send_over_http(self):
        client = http.client.HTTPConnection("127.0.0.1", self.relay.http, timeout=10)
        while not self.done.is_set():
            token = "crash" + uuid.uuid4().hex
            client.request("POST", "/v1/messages", json.dumps(
                {"from": "s@example.org", "to": ["a@example.net", "b@example.com"], "subject": token, "text": token}),
                {"Authorization": f"Bearer {self.relay.key}", "Content-Type": "application/json"})
            answer = client.getresponse()
            answer.read()
            if answer.status == 202:
                self.acknowledged.append(token)


def send_while(relay, interrupt, times):
    """What was acknowledged while `interrupt` was called `times` times amid the flow."""
    context = ssl.create_default_context(cafile=str(relay.certificate))
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    senders = [Sender(relay, context, over_http=i % 2 == 1) for i in range(SENDERS)]
    for sender in senders:
        sender.start()
    for _ in range(times):
        target = sum(len(s.acknowledged) for s in senders) + rng.randrange(20, 150)
        wait_until(lambda: sum(len(s.acknowledged) for s in senders) >= target, "mail flows")
        interrupt()
        relay.start()
    for sender in senders:
        sender.done.set()
    for sender in senders:
        sender.join()
    relay.wait_empty()
    return [token for s in senders for token in s.acknowledged]


def lost_and_repeated(ledger, sink):
    arrived = collections.Counter()
    for message in sink.messages():
        token = message.header.split(b"Subject: ")[1].split(b"\r\n")[0].decode()
        arrived.update((token, recipient) for recipient in message.recipients)
    wanted = {(token, r) for token in ledger for r in ("a@example.net", "b@example.com")}
    repeated = sum(n - 1 for n in arrived.values())
    print(f"{len(ledger)} acknowledged, {len(arrived)} recipients arrived, {repeated} repeated")
    return wanted - set(arrived), repeated


def test_kill_9_loses_nothing_acknowledged(pair):
    relay, sink = pair
    ledger = send_while(relay, relay.kill, KILLS)
    assert len(ledger) > KILLS * 20
    lost, _ = lost_and_repeated(ledger, sink)  # what was in flight at a kill may come twice
    assert not lost


def test_a_stop_amid_the_flow_loses_and_repeats_nothing(pair):
    relay, sink = pair
    ledger = send_while(relay, relay.stop, KILLS)
    lost, repeated = lost_and_repeated(ledger, sink)
    assert not lost and repeated == 0


def test_a_clean_stop_and_start_resumes_the_queue(pair):
    relay, sink = pair
    sink.stop()
    with smtplib.SMTP("localhost", relay.starttls, timeout=60) as client:
        client.starttls()
        client.login(relay.key_id, relay.key)
        for i in range(20):
            client.sendmail("s@example.org", [f"r{i}@example.net"], f"Subject: resume {i}\r\n\r\nhi\r\n")
    assert relay.open_recipients() == 20
    relay.stop()
    sink.start()
    relay.start()
    relay.wait_empty()
    assert len(sink.messages()) == 20
