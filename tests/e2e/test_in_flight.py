"""kill -9 while hosts owe their answers: exactly those deliveries are counted and shown as possible repeats."""

import contextlib
import smtplib
import socketserver
import threading

import pytest
from harness import Relay, wait_until


class Host(socketserver.ThreadingTCPServer):
    """An SMTP host that stops answering where the first recipient's local part says: at "dot" or at "data"."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Conversation)
        self.port = self.server_address[1]
        self.withholds = True
        self.waiting = set()  # recipients whose answer is owed
        self.taken = []
        self.changed = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Conversation(socketserver.StreamRequestHandler):
    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")

    def withheld(self, recipients, point):
        if not self.server.withholds or recipients[0].partition("@")[0] != point:
            return False
        self.server.waiting.update(recipients)
        while self.rfile.readline():  # until the client has gone
            pass
        return True

    def handle(self):
        with contextlib.suppress(OSError):
            self.converse()

    def converse(self):
        recipients = []
        self.say("220 host")
        while line := self.rfile.readline().decode().strip():
            word = line[:4].upper()
            if word == "QUIT":
                return self.say("221 bye")
            if word == "MAIL":
                recipients = []
            if word == "RCPT":
                recipients.append(line.partition("<")[2].partition(">")[0])
            if word != "DATA":
                self.say("250 ok")
                continue
            if self.withheld(recipients, "data"):
                return
            self.say("354 go")
            while self.rfile.readline() != b".\r\n":
                pass
            if self.withheld(recipients, "dot"):
                return
            self.server.taken += recipients
            self.say("250 taken")


@pytest.fixture
def host():
    made = Host()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def relay(tmp_path, host):
    made = Relay(tmp_path, host.port, extra="shutdown_grace: 1s\n")
    yield made
    made.stop()


def send(relay, *recipients):
    with smtplib.SMTP("localhost", relay.starttls, timeout=60) as client:
        client.starttls()
        client.login(relay.key_id, relay.key)
        client.mail("s@example.org")
        for recipient in recipients:
            client.rcpt(recipient)
        code, text = client.data(b"From: s@example.org\r\nSubject: x\r\n\r\nhi\r\n")
    assert code == 250
    return text.decode().rpartition("queued as ")[2].strip()


def doubtful(relay):
    return {line.split("recipient=")[1].split()[0].strip('"') for line in relay.process.log.read_text().splitlines()
            if "in doubt message=" in line}


def test_kill_9_before_the_answer_to_the_final_dot(relay, host):
    ids = [send(relay, "dot@a.example", "other@a.example"), send(relay, "dot@b.example"), send(relay, "data@c.example"),
           send(relay, "fine@d.example")]
    wait_until(lambda: len(host.waiting) == 4, "four recipients wait for an answer")
    wait_until(lambda: relay.ctl_json("message", "show", ids[3])["status"] == "delivered", "one is delivered")
    wait_until(lambda: relay.open_recipients() == 4, "that is on record")
    relay.kill()
    host.withholds = False
    relay.start()
    expected = {"dot@a.example", "other@a.example", "dot@b.example"}
    assert doubtful(relay) == expected
    assert "possible repeats: 3" in relay.process.log.read_text()
    page = relay.get("/metrics")
    assert "relay_spool_possible_repeats_total 3\n" in page
    relay.wait_empty()
    for message, count in zip(ids, (2, 1, 0, 0)):
        shown = relay.ctl_json("message", "show", message)
        events = [e for e in shown["events"] if e.get("in_doubt")]
        assert len(events) == count, shown
        assert all("the relay stopped before" in e["detail"] for e in events)
        why = relay.ctl("why", message).stdout
        assert why.count("outcome was recorded (in doubt)") == count, why
        assert [r["attempts"] for r in shown["recipients"]] == [2 if count else 1] * len(shown["recipients"])
    assert sorted(host.taken) == sorted(expected | {"data@c.example", "fine@d.example"})


def test_a_clean_stop_leaves_nothing_in_doubt_but_what_it_cut_off(relay, host):
    send(relay, "fine@a.example")
    wait_until(lambda: relay.open_recipients() == 0, "delivered and on record")
    relay.stop()
    relay.start()
    assert doubtful(relay) == set()
    send(relay, "dot@a.example")
    wait_until(lambda: host.waiting, "an answer is owed")
    relay.stop()
    host.withholds = False
    relay.start()
    assert doubtful(relay) == {"dot@a.example"}
    relay.wait_empty()


def test_a_ledger_that_is_none_stops_no_start(relay, host):
    relay.stop()
    ledger = relay.dir / "spool" / "inflight"
    ledger.write_bytes(b"nonsense")
    relay.start()
    relay.stop()
    assert "damaged or not ours" in relay.process.log.read_text()
    ledger.unlink()
    ledger.mkdir()
    (ledger / "in the way").touch()
    relay.start()
    send(relay, "fine@a.example")
    relay.wait_empty()
    assert "there is no ledger" in relay.process.log.read_text()
