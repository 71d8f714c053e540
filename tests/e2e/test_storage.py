"""A spool on a disk that is slow, full, or fails: what senders and administrators see, and that it ends by itself."""

import json
import pathlib
import smtplib
import ssl
import subprocess
import sys
import threading
import time

import pytest
from harness import BIN, Relay, Sink, wait_until

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "crash"))
from faults import Faults  # noqa: E402

pytestmark = pytest.mark.skipif(not (BIN / "libfault_shim.so").exists(), reason="the fault shim is not built")


STALL_S = 12
LARGE = 1_000_000  # two wait for the disk, a third does not


class Troubled(Relay):
    """Impatient with clients, with room for little that waits."""

    CONFIG = Relay.CONFIG.replace("submission:\n", "submission:\n  command_timeout: 2s\n  data_timeout: 2s\n").replace(
        "http:\n", "http:\n  idle_timeout: 2s\n").replace("  directory: {dir}/spool\n",
                                                           "  directory: {dir}/spool\n  queue_size: 2MiB\n") + (
                                        "limits: {{message_size: 1MiB, attachment_size: 512KiB}}\n")

    def __init__(self, directory, sink_port):
        self.faults = Faults(directory, pathlib.Path(directory) / "spool" / "data.mdb")
        super().__init__(directory, sink_port, env=self.faults.env)

    def smtp(self):
        client = smtplib.SMTP("localhost", self.starttls, timeout=60)
        client.starttls(context=ssl.create_default_context(cafile=str(self.certificate)))
        client.login(self.key_id, self.key)
        return client

    def post(self, text="hello"):
        """Status, problem code or None, headers."""
        body = json.dumps({"from": "a@example.org", "to": "b@example.net", "subject": "x", "text": text})
        done = subprocess.run(["curl", "-sS", "-i", "-m", "60", f"http://127.0.0.1:{self.http}/v1/messages", "-H",
                               f"Authorization: Bearer {self.key}", "-H", "Content-Type: application/json", "-d", "@-"],
                              input=body, capture_output=True, text=True, check=True)
        head, _, answer = done.stdout.replace("\r\n", "\n").partition("\n\n")
        if head.startswith("HTTP/1.1 100"):
            head, _, answer = answer.partition("\n\n")
        return int(head.split()[1]), json.loads(answer).get("code"), head.lower()

    def ready(self):
        """Status and problem code."""
        done = subprocess.run(["curl", "-sS", "-w", "\n%{http_code}", f"http://127.0.0.1:{self.http}/readyz"],
                              capture_output=True, text=True, check=True)
        body, _, status = done.stdout.rpartition("\n")
        return int(status), json.loads(body).get("code")

    def log(self):
        return (self.dir / "relayd.log").read_text()


@pytest.fixture
def sink(tmp_path):
    made = Sink(tmp_path)
    yield made
    if made.process.alive():
        made.stop()


@pytest.fixture
def relay(tmp_path, sink):
    made = Troubled(tmp_path, sink.port)
    yield made
    made.faults.disarm()
    if made.process.alive():
        made.stop()


def message(size=0):
    return b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * (size // 72)


def send(client, content):
    """The reply to MAIL if that is refused, else to the content."""
    code, text = client.mail("a@example.org")
    if code != 250:
        return code, text.decode()
    client.rcpt("b@example.net")
    code, text = client.data(content)
    return code, text.decode()


def test_a_stalled_disk_keeps_senders_waiting_and_refuses_what_is_too_much(relay):
    """A commit takes much longer than clients may be silent: nobody is told 421."""
    relay.faults.arm(f"sync 1 delay={STALL_S * 1000}")
    answers = {}

    def by_smtp(name, size):
        with relay.smtp() as client:
            answers[name] = send(client, message(size))
            answers[name + " then"] = client.noop()[0]

    def by_http():
        answers["http"] = relay.post()

    began = time.monotonic()
    threads = [threading.Thread(target=by_smtp, args=("first", 0))]
    threads[0].start()
    wait_until(lambda: relay.faults.counts()[1] == 1, "the disk stalls")
    threads += [threading.Thread(target=by_smtp, args=(name, LARGE)) for name in ("second", "third")]
    threads += [threading.Thread(target=by_http)]
    for thread in threads[1:]:
        thread.start()
    wait_until(lambda: relay.ctl_json("status")["spool"]["waiting_bytes"] > 2 * LARGE, "mail waits for the disk")

    with relay.smtp() as client:
        assert send(client, message(LARGE)) == (452, "4.3.1 Too much mail is waiting to be stored, try again later")
        assert client.mail("a@example.org")[0] == 452  # before the content now
    status, code, head = relay.post("z" * LARGE)
    assert (status, code) == (503, "overloaded") and "retry-after: " in head
    assert relay.ready() == (503, "overloaded")
    spool = relay.ctl_json("status")["spool"]
    assert spool["state"] == "busy" and spool["oldest_waiting_seconds"] > 0
    assert time.monotonic() - began < STALL_S, "too slow a machine to tell"

    for thread in threads:
        thread.join(60)
    assert time.monotonic() - began > STALL_S
    assert all(answers[name][0] == 250 and answers[name + " then"] == 250 for name in ("first", "second", "third"))
    assert answers["http"][0] == 202
    assert relay.ready() == (200, None)
    relay.wait_empty()


def test_a_full_disk_refuses_mail_in_time_and_takes_it_again_by_itself(relay, sink, token):
    with relay.smtp() as client:
        relay.faults.arm("any 1 ENOSPC always")
        code, text = send(client, message())
        assert (code, text) == (452, "4.3.1 Insufficient storage, try again later")
        assert client.mail("a@example.org")[0] == 452  # not even the envelope is taken
        assert client.noop()[0] == 250
    status, code, head = relay.post()
    assert (status, code) == (507, "insufficient_storage") and "retry-after: " in head
    assert relay.ready() == (503, "insufficient_storage")
    spool = relay.ctl_json("status")["spool"]
    assert spool["state"] == "full" and spool["reason"]
    assert "refuses mail for now" in relay.ctl("status").stdout

    relay.faults.disarm()
    wait_until(lambda: relay.ready() == (200, None), "mail is taken again, though nobody has sent any", deadline_s=10)
    with relay.smtp() as client:
        assert send(client, message() + token.encode())[0] == 250
    sink.wait_for(token)
    relay.wait_empty()
    assert relay.log().count("new mail is refused for now") == 1
    assert relay.log().count("new mail is taken again") == 1


def test_deliveries_go_on_while_nothing_can_be_written_and_are_recorded_later(relay, sink, token):
    sink.stop()
    with relay.smtp() as client:
        assert send(client, message() + token.encode())[0] == 250
    wait_until(lambda: "site backs off" in relay.log(), "the first attempt has failed")
    wait_until(lambda: relay.ctl_json("status")["spool"]["unrecorded"] == 0, "its outcome is recorded")
    relay.faults.arm("any 1 EROFS always")
    sink.start()
    sink.wait_for(token)
    wait_until(lambda: relay.ctl_json("status")["spool"]["unrecorded"] > 0, "the outcome waits")
    assert relay.ready()[0] == 503
    assert relay.open_recipients() == 1
    relay.faults.disarm()
    relay.wait_empty()
    assert relay.ctl_json("status")["spool"]["unrecorded"] == 0
    wait_until(lambda: relay.ready() == (200, None), "mail is taken again", deadline_s=10)
    relay.stop()
    relay.start()
    relay.wait_empty()
    assert len(sink.wait_for(token)) == 1


@pytest.mark.parametrize("fault", ["sync 1 EIO", "meta 1 EIO"])
def test_after_a_failed_sync_nothing_is_acknowledged_and_the_log_says_what_is_lost(relay, sink, token, fault):
    sink.stop()
    ids = []
    with relay.smtp() as client:
        for _ in range(3):
            code, text = send(client, message() + token.encode())
            assert code == 250
            ids.append(text.split()[-1])
        wait_until(lambda: "site backs off" in relay.log(), "the first attempts have failed")
        wait_until(lambda: relay.ctl_json("status")["spool"]["unrecorded"] == 0, "their outcomes are recorded")
        relay.faults.arm(fault)
        assert send(client, message()) == (451, "4.3.0 The message could not be stored, try again later")
        assert client.mail("a@example.org")[0] == 451
    assert relay.post()[:2] == (503, "storage_unavailable")
    assert relay.ready() == (503, "storage_unavailable")
    spool = relay.ctl_json("status")["spool"]
    assert spool["state"] == "failed"

    sink.start()
    sink.wait_for(token, 3)  # deliveries go on
    wait_until(lambda: relay.ctl_json("status")["spool"]["lost"] >= 3, "their outcomes are lost")
    relay.stop()  # cleanly: exit 0
    log = relay.log()
    assert log.count("spool: failed for good") == 1 and "restart relayd" in log
    lost = [line for line in log.splitlines() if "outcome not recorded" in line and "outcome=delivered" in line]
    assert len(lost) == 3 and all(any(i in line for line in lost) for i in ids)
    assert "outcomes are not recorded, as named above" in log

    relay.faults.disarm()
    relay.start()
    relay.wait_empty()
    assert 3 <= len(sink.wait_for(token, 3)) <= 6  # each repeated once at most
    assert relay.ready() == (200, None)


def test_a_commit_that_hangs_does_not_keep_the_process(tmp_path, sink):
    class Impatient(Troubled):
        CONFIG = Troubled.CONFIG.replace("  queue_size: 2MiB\n", "  queue_size: 2MiB\n  stop_timeout: 1s\n") + (
            "shutdown_grace: 500ms\n")

    relay = Impatient(tmp_path, sink.port)
    relay.faults.arm("sync 1 delay=60000")
    client = relay.smtp()
    client.mail("a@example.org")
    client.rcpt("b@example.net")
    client.putcmd("data")
    assert client.getreply()[0] == 354
    client.send(message() + b".\r\n")
    wait_until(lambda: relay.faults.counts()[1] == 1, "the disk hangs")
    began = time.monotonic()
    relay.process.child.terminate()
    assert relay.process.child.wait(30) == 1
    assert time.monotonic() - began < 20
    assert "a commit that hangs" in relay.log()
    client.close()


def test_relaxed_durability_is_said_and_shown(tmp_path, sink, token):
    class Relaxed(Troubled):
        CONFIG = Troubled.CONFIG.replace("  queue_size: 2MiB\n", "  durability: relaxed\n  sync_pause: 50ms\n")

    relay = Relaxed(tmp_path, sink.port)
    assert "spool.durability is relaxed" in relay.log()
    assert relay.ctl_json("status")["spool"]["durability"] == "relaxed"
    with relay.smtp() as client:
        assert send(client, message() + token.encode())[0] == 250
    sink.wait_for(token)
    relay.wait_empty()
    relay.stop()
