"""Applications that send without a pause, by SMTP and HTTP, an administrator who interferes, and what they were told."""

import contextlib
import http.client
import itertools
import json
import random
import smtplib
import socket
import ssl
import threading
import uuid

AT_ONCE = ("a@one.example", "b@two.example", "c@one.example")  # their host takes mail at once
LATER = "d@later.example"                                        # its host is down until the end
TROUBLE = (OSError, smtplib.SMTPException, http.client.HTTPException, ValueError)


class Mail:
    """One message as it was sent."""

    def __init__(self, rng, large):
        self.token = uuid.uuid4().hex
        self.recipients = rng.sample(AT_ONCE, rng.randint(1, 3)) + ([LATER] if rng.random() < 0.4 else [])
        size = 200_000 if rng.random() < large else rng.randrange(5000)
        self.text = self.token + "\r\n" + ("x" * 70 + "\r\n") * (size // 72) + "end " + self.token + "\r\n"


class Ledger:
    """What was sent, and what of it was acknowledged, as Mail by message id. Shared by threads."""

    def __init__(self):
        self.lock = threading.Lock()
        self.sent = {}          # by token
        self.acknowledged = {}  # by id
        self.fresh = []         # ids acknowledged since take_fresh()
        self.refusals = {}      # answers other than yes, with how often
        self.turned_away = set()  # the clients whose last answer was no
        self.doubtful = set()   # ids whose open recipients were to be cancelled

    def sending(self, mail):
        with self.lock:
            self.sent[mail.token] = mail

    def taken(self, mail, message_id):
        with self.lock:
            assert message_id not in self.acknowledged
            self.acknowledged[message_id] = mail
            self.fresh.append(message_id)
            self.turned_away.discard(threading.current_thread())

    def refused(self, answer):
        with self.lock:
            self.refusals[answer] = self.refusals.get(answer, 0) + 1
            self.turned_away.add(threading.current_thread())

    def take_fresh(self):
        with self.lock:
            fresh, self.fresh = self.fresh, []
            return fresh

    def count(self):
        return len(self.acknowledged)


class Client(threading.Thread):
    """Does `once` over and over; `connect` anew after trouble."""

    def __init__(self, relay, ledger, seed, large):
        super().__init__(daemon=True)
        self.relay, self.ledger, self.rng, self.large = relay, ledger, random.Random(seed), large
        self.done = threading.Event()
        self.fault = None

    def run(self):
        try:
            while not self.done.is_set():
                with contextlib.suppress(*TROUBLE), self.connected() as connection:
                    while not self.done.is_set():
                        self.once(connection)
                self.done.wait(0.02)  # it is down: again
        except BaseException as fault:  # for the thread that waits for this one
            self.fault = fault

    def stop(self):
        self.done.set()
        self.join(60)
        assert not self.is_alive(), "a client hangs"
        if self.fault:
            raise self.fault


class SmtpClient(Client):
    @contextlib.contextmanager
    def connected(self):
        with smtplib.SMTP("localhost", self.relay.starttls, timeout=20) as client:
            client.starttls(context=ssl.create_default_context(cafile=str(self.relay.certificate)))
            client.login(self.relay.key_id, self.relay.key)
            yield client

    def once(self, client):
        mail = Mail(self.rng, self.large)
        self.ledger.sending(mail)
        answer = self.transaction(client, mail)
        if answer.startswith("250 "):
            return self.ledger.taken(mail, answer.rpartition("queued as ")[2].strip())
        self.ledger.refused(" ".join(answer.split()[:2]))
        client.rset()
        self.done.wait(0.02)

    @staticmethod
    def transaction(client, mail):
        """Its last answer."""
        for code, text in itertools.chain([client.mail("s@example.org")], map(client.rcpt, mail.recipients)):
            if code != 250:
                return f"{code} {text.decode()}"
        try:
            code, text = client.data(f"From: s@example.org\r\nSubject: {mail.token}\r\n\r\n{mail.text}".encode())
        except smtplib.SMTPDataError as refusal:  # before the content
            code, text = refusal.smtp_code, refusal.smtp_error
        return f"{code} {text.decode()}"


class HttpClient(Client):
    @contextlib.contextmanager
    def connected(self):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.relay.http, timeout=20)) as client:
            yield client

    def once(self, client):
        mail = Mail(self.rng, self.large)
        self.ledger.sending(mail)
        client.request("POST", "/v1/messages", json.dumps(
            {"from": "s@example.org", "to": mail.recipients, "subject": mail.token, "text": mail.text}),
            {"Authorization": f"Bearer {self.relay.key}", "Content-Type": "application/json"})
        answer = client.getresponse()
        content = json.loads(answer.read())
        if answer.status == 202:
            return self.ledger.taken(mail, content["id"])
        self.ledger.refused(f"{answer.status} {content.get('code')}")
        self.done.wait(0.02)


class AdminConnection(http.client.HTTPConnection):
    """relayd's administration door."""

    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)

    def ask(self, method, path, body=None):
        self.request(method, path, json.dumps(body) if body else None,
                     {"Content-Type": "application/json"} if body else {})
        answer = self.getresponse()
        return answer.status, json.loads(answer.read())


class Administrator(Client):
    """Holds, releases, retries and cancels what waits for the host that is down."""

    @contextlib.contextmanager
    def connected(self):
        with contextlib.closing(AdminConnection(self.relay.dir / "relay.sock")) as client:
            yield client

    def once(self, client):
        with self.ledger.lock:
            recent = list(self.ledger.acknowledged.items())[-50:]
        waiting = [i for i, mail in recent if LATER in mail.recipients and i not in self.ledger.doubtful]
        self.done.wait(0.01)
        if not waiting:
            return
        message_id = self.rng.choice(waiting)
        verb = self.rng.choice(["hold", "release", "retry", "cancel"])
        if verb == "cancel":
            self.ledger.doubtful.add(message_id)
        client.ask("POST", f"/admin/v1/queue/{verb}", {"id": message_id})


@contextlib.contextmanager
def flow(relay, ledger, rng, smtp=3, http_clients=2, administrators=1, large=0.02):
    """Mail flows while the context lasts; `large` is the share of messages of 200 kB."""
    kinds = [SmtpClient] * smtp + [HttpClient] * http_clients + [Administrator] * administrators
    clients = [kind(relay, ledger, rng.random(), large) for kind in kinds]
    for client in clients:
        client.start()
    try:
        yield [client for client in clients if not isinstance(client, Administrator)]
    finally:
        for client in clients:
            client.done.set()
        for client in clients:
            client.stop()
