"""Applications that send without a pause, by SMTP and HTTP, and remember what was acknowledged."""

import http.client
import json
import random
import smtplib
import ssl
import threading
import time
import uuid

AT_ONCE = "a@example.net"  # its host takes mail at once
LATER = "b@parked.example"  # its host is down until the end, so the message stays in the spool


class Sender(threading.Thread):
    def __init__(self, relay, over_http, seed):
        super().__init__(daemon=True)
        self.relay, self.over_http, self.rng = relay, over_http, random.Random(seed)
        self.context = ssl.create_default_context(cafile=str(relay.certificate))
        self.acknowledged = {}  # token: when, on the monotonic clock
        self.done = threading.Event()

    def run(self):
        while not self.done.is_set():
            try:
                self.send_by_http() if self.over_http else self.send_by_smtp()
            except (OSError, smtplib.SMTPException, http.client.HTTPException, ValueError):
                self.done.wait(0.02)  # the machine is down: again

    def text(self, token):
        length = 300_000 if self.rng.random() < 0.01 else self.rng.randrange(6000)
        return f"{token}\r\n" + "x" * 70 * (length // 70) + "\r\n"

    def send_by_smtp(self):
        with smtplib.SMTP("localhost", self.relay.starttls, timeout=10) as client:
            client.starttls(context=self.context)
            client.login(self.relay.key_id, self.relay.key)
            while not self.done.is_set():
                token = uuid.uuid4().hex
                head = f"From: s@example.org\r\nSubject: {token}\r\n\r\n"
                client.sendmail("s@example.org", [AT_ONCE, LATER], (head + self.text(token)).encode())
                self.acknowledged[token] = time.monotonic()

    def send_by_http(self):
        client = http.client.HTTPConnection("127.0.0.1", self.relay.http, timeout=10)
        while not self.done.is_set():
            token = uuid.uuid4().hex
            client.request("POST", "/v1/messages", json.dumps(
                {"from": "s@example.org", "to": [AT_ONCE, LATER], "subject": token, "text": self.text(token)}),
                {"Authorization": f"Bearer {self.relay.key}", "Content-Type": "application/json"})
            answer = client.getresponse()
            answer.read()
            if answer.status == 202:
                self.acknowledged[token] = time.monotonic()


class Senders:
    """Several at once, used with `with`."""

    def __init__(self, relay, count, rng):
        self.all = [Sender(relay, i % 2 == 1, rng.random()) for i in range(count)]

    def __enter__(self):
        for sender in self.all:
            sender.start()
        return self

    def __exit__(self, *exception):
        for sender in self.all:
            sender.done.set()
        for sender in self.all:
            sender.join(60)

    def ledger(self):
        return {token: when for sender in self.all for token, when in sender.acknowledged.items()}

    def count(self):
        return sum(len(sender.acknowledged) for sender in self.all)
