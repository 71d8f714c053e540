"""relayctl spool beside a relay that is at work, and on what it has left."""

import base64
import json
import os
import pathlib
import re
import resource
import signal
import smtplib
import subprocess
import threading

import pytest
from harness import BIN, Relay, Sink, wait_until


def spool(*args, check=True, stdin=None):
    done = subprocess.run([BIN / "relayctl", "spool", *map(str, args)], input=stdin, capture_output=True, text=True,
                          timeout=120)
    assert not check or done.returncode == 0, f"relayctl spool {args}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def clean(directory):
    done = spool("check", "--json", "--spool", directory, check=False)
    assert done.returncode in (0, 1), done.stderr
    report = json.loads(done.stdout)
    assert report["clean"], report["faults"][:5]
    return report


def exported(directory, *options):
    return [json.loads(line) for line in spool("export", "--spool", directory, *options).stdout.splitlines()]


class Flow:
    """Clients that send without pause, and know what was acknowledged."""

    def __init__(self, relay, senders=4, recipients=("a@example.net", "b@example.com"), size=6000):
        self.relay, self.recipients, self.size = relay, recipients, size
        self.acknowledged, self.stopped, self.failures = [], threading.Event(), []
        self.threads = [threading.Thread(target=self.send) for _ in range(senders)]
        for thread in self.threads:
            thread.start()

    def send(self):
        try:
            with smtplib.SMTP("localhost", self.relay.starttls, timeout=60) as client:
                client.starttls()
                client.login(self.relay.key_id, self.relay.key)
                content = b"Subject: flow\r\n\r\n" + b"x" * 70 + b"\r\n" * 1 + (b"y" * 70 + b"\r\n") * (self.size // 72)
                while not self.stopped.is_set():
                    client.mail("s@example.org")
                    for recipient in self.recipients:
                        client.rcpt(recipient)
                    code, text = client.data(content)
                    assert code == 250, text
                    self.acknowledged.append(re.search(rb"msg_\w+", text).group().decode())
        except Exception as error:  # told by stop()
            self.failures.append(error)

    def wait_for(self, count):
        wait_until(lambda: self.failures or len(self.acknowledged) >= count, f"{count} messages acknowledged")

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join(60)
        assert not self.failures, self.failures


@pytest.fixture
def pair(tmp_path):
    sink = Sink(tmp_path)
    relay = Relay(tmp_path, sink.port)
    yield relay, sink
    if relay.process.alive():
        relay.stop()
    sink.stop()


def test_check_finds_nothing_while_mail_flows(pair):
    relay, _ = pair
    flow = Flow(relay)
    try:
        for round_ in range(1, 16):
            flow.wait_for(round_ * 40)
            report = clean(relay.dir / "spool")
            assert report["messages"] > 0
    finally:
        flow.stop()
    relay.wait_empty()
    done = clean(relay.dir / "spool")
    assert done["messages"] == len(flow.acknowledged)
    assert done["open_recipients"] == 0


def test_a_backup_amid_the_flow_has_every_message_acknowledged_before_it_and_is_a_spool(pair, tmp_path):
    relay, sink = pair
    flow = Flow(relay)
    try:
        for number, options in enumerate([(), ("--compact",), ()]):
            flow.wait_for(150 * (number + 1))
            before = set(flow.acknowledged)
            copy = tmp_path / f"backup{number}"
            assert json.loads(spool("backup", copy, "--json", "--spool", relay.dir / "spool", *options).stdout)["check"]["clean"]
            assert before <= {message["id"] for message in exported(copy)}
    finally:
        flow.stop()
    # A relay runs on the copy, and delivers exactly what was open in it.
    relay.wait_empty()
    relay.stop()
    open_there = {m["id"]: [r["address"] for r in m["recipients"] if r["status"] == "queued"]
                  for m in exported(copy, "--open")}
    (relay.dir / "spool").rename(relay.dir / "spool.old")
    copy.rename(relay.dir / "spool")
    seen = len(sink.messages())
    relay.start()
    relay.wait_empty()
    repeated = [r for m in sink.messages()[seen:] for r in m.recipients]
    assert sorted(repeated) == sorted(r for addresses in open_there.values() for r in addresses)


def test_export_and_import_move_a_queue_to_another_relay(tmp_path):
    first, second = tmp_path / "1", tmp_path / "2"
    first.mkdir(), second.mkdir()
    sink = Sink(first)
    relay = Relay(first, sink.port, retry_first="1h")
    contents = {}
    with smtplib.SMTP("localhost", relay.starttls, timeout=60) as client:
        client.starttls()
        client.login(relay.key_id, relay.key)

        def send(recipients, content):
            client.mail("s@example.org", ["BODY=8BITMIME"])
            for recipient in recipients:
                client.rcpt(recipient)
            code, text = client.data(content)
            assert code == 250
            message = re.search(rb"msg_\w+", text).group().decode()
            contents[message] = content
            return message

        delivered = send(["done@example.net"], b"Subject: first\r\n\r\n1\r\n")
        relay.wait_empty()
        sink.stop()
        stuck = send(["late@example.net", "held@example.com", "gone@example.org"],
                     "Subject: zw\u00f6lf\r\n\r\n2\r\n".encode())
        large = send(["late@example.net"], b"Subject: large\r\n\r\n" + (b"z" * 998 + b"\r\n") * 50_000)
    relay.ctl("queue", "hold", "--domain", "example.com")
    relay.ctl("queue", "cancel", "--domain", "example.org")
    before = {m: relay.ctl_json("message", "show", m) for m in contents}
    relay.stop()

    file, pairs = tmp_path / "mail.ndjson", tmp_path / "pairs"
    spool("export", "--keys", "--file", file, "--spool", first / "spool")
    spool("export", "--keys", "--to", pairs, "--spool", first / "spool")
    by_id = {m["id"]: m for m in map(json.loads, file.read_text().splitlines()) if "id" in m}
    assert set(by_id) == set(contents)
    assert by_id[delivered]["content"] is None
    assert base64.b64decode(by_id[large]["content"]).endswith(contents[large])
    assert (pairs / f"{large}.eml").read_bytes().endswith(contents[large])
    for source in (file, pairs):
        target = tmp_path / f"spool-{source.name}"
        spool("import", source, "--spool", target)
        clean(target)
        again = tmp_path / f"again-{source.name}"
        spool("export", "--keys", "--file", again, "--spool", target)
        assert again.read_bytes() == file.read_bytes()

    (tmp_path / "spool-mail.ndjson").rename(second / "spool")
    sink = Sink(second)
    config_key = (relay.key, relay.key_id)
    other = Relay(second, sink.port, retry_first="1h")
    try:
        after = {m: other.ctl_json("message", "show", m) for m in contents}
        assert {m: [(r["address"], r["attempts"]) for r in after[m]["recipients"]] for m in after} == \
               {m: [(r["address"], r["attempts"]) for r in before[m]["recipients"]] for m in before}
        other.ctl("queue", "retry", "--domain", "example.net")
        wait_until(lambda: other.open_recipients() == 1, "all but the held one are delivered")
        assert sorted(r for m in sink.messages() for r in m.recipients) == ["late@example.net", "late@example.net"]
        assert [m for m in sink.messages() if m.content.endswith(contents[large])]
        assert [r["status"] for r in other.ctl_json("message", "show", stuck)["recipients"]] == \
               ["delivered", "held", "cancelled"]
        with smtplib.SMTP("localhost", other.starttls, timeout=60) as client:  # the old key counts
            client.starttls()
            client.login(config_key[1], config_key[0])
    finally:
        other.stop()
        sink.stop()


def test_import_needs_the_relay_stopped(pair, tmp_path):
    relay, _ = pair
    done = spool("import", "-", "--spool", relay.dir / "spool", check=False, stdin="")
    assert done.returncode == 2
    assert f"in use by process {relay.process.child.pid}" in done.stderr and "stop relayd" in done.stderr


def test_the_running_relay_says_where_its_spool_is(pair):
    relay, _ = pair
    words = relay.ctl("spool", "check").stdout
    assert f"Spool     {relay.dir / 'spool'}; relayd runs on it (process {relay.process.child.pid})" in words
    assert f"Spool     {relay.dir / 'spool'}" in spool("stats", "--config", relay.config).stdout


def readers(directory):
    return json.loads(spool("stats", "--json", "--spool", directory).stdout)["readers"]


def test_a_killed_backup_is_no_backup_and_the_relay_forgets_its_reader(tmp_path):
    sink = Sink(tmp_path)
    sink.stop()
    relay = Relay(tmp_path, sink.port, retry_first="1h")
    flow = Flow(relay)
    flow.wait_for(100)
    flow.stop()
    where = relay.dir / "spool"
    relay.ctl("queue", "hold", "--all")  # so that nothing is committed for a while

    # The system ends it where its file grows over a limit, amid the copying.
    copy = tmp_path / "backup"
    child = subprocess.Popen([BIN / "relayctl", "spool", "backup", copy, "--json", "--spool", where],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)))
    assert child.wait(60) == -signal.SIGXFSZ
    assert not copy.exists() and list(tmp_path.glob("backup.part-*"))
    dead = [reader for reader in readers(where) if reader["behind"] is not None]
    assert len(dead) == 1 and not pathlib.Path(f"/proc/{dead[0]['process']}").exists()

    flow = Flow(relay)
    wait_until(lambda: dead[0]["process"] not in [reader["process"] for reader in readers(where)],
               "the killed reader is forgotten")
    flow.stop()
    clean(where)
    relay.stop()


def test_a_damaged_spool_is_told_saved_and_goes_on(pair, tmp_path):
    relay, sink = pair
    sink.stop()
    flow = Flow(relay, senders=2)
    flow.wait_for(300)
    flow.stop()
    relay.stop()
    old, new = relay.dir / "spool.old", relay.dir / "spool"
    new.rename(old)
    stats = json.loads(spool("stats", "--json", "--spool", old).stdout)
    # Every 23rd page of the tables and contents is lost.
    with open(old / "data.mdb", "r+b") as data:
        for page in range(40, stats["pages"]["total"], 23):
            data.seek(page * 4096)
            data.write(os.urandom(4096))
    checked = spool("check", "--spool", old, check=False)
    assert checked.returncode == 1 and "damaged" in checked.stdout
    file = tmp_path / "saved"
    saved = spool("export", "--keys", "--file", file, "--spool", old, check=False)
    assert saved.returncode == 1 and saved.stderr
    taken = spool("import", file, "--spool", new, check=False)
    clean(new)
    kept = {m["id"] for m in exported(new)}
    named = set(re.findall(r"msg_\w+", saved.stderr + taken.stderr))
    # What is not there has been named, or lay between two that were named as the bounds of a lost page.
    bounds = [tuple(sorted(pair_)) for pair_ in re.findall(r"rows were from (\S+) to (\S+)[.;]", saved.stderr)]
    for message in set(flow.acknowledged) - kept:
        assert message in named or any(
            (low == "the" or low <= message) and (high == "the" or message <= high) for low, high in bounds), message
    assert len(kept) > 50  # pages that were only cut off have been found again
    sink.start()
    relay.start()
    relay.ctl("queue", "release", "--all")
    relay.wait_empty()
    assert len({m["id"] for m in exported(new, "--open")}) == 0
