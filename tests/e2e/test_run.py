"""./run as a new user meets it: first start, one message each way, a clean end, the same spool again."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess

import pytest
from harness import accepts, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
PORTS = (2587, 2465, 8025, 2526)


@pytest.fixture
def tree(tmp_path):
    """A checkout of its own, so that var/ is new; the compiler cache makes its build short."""
    if any(map(accepts, PORTS)):
        pytest.fail(f"one of the ports {PORTS} is in use on this machine")
    copy = tmp_path / "relay"
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n")
    for name in filter(None, files):
        if (ROOT / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


class Run:
    def __init__(self, tree, *args):
        self.output = tree / "output"
        with open(self.output, "ab") as out:
            self.child = subprocess.Popen([tree / "run", *args], cwd=tree, stdin=subprocess.DEVNULL, stdout=out,
                                          stderr=out, start_new_session=True)

    def ready(self):
        def up():
            assert self.child.poll() is None, self.output.read_text()
            return " ready" in self.output.read_text() and all(map(accepts, PORTS))
        wait_until(up, "it says that it is ready", deadline_s=900)
        return self.output.read_text()

    def stop(self, how):
        self.child.send_signal(how)
        assert self.child.wait(30) == 0, self.output.read_text()
        assert not any(map(accepts, PORTS))


def test_first_start_messages_and_a_second_start(tree):
    run = Run(tree)
    text = run.ready()
    try:
        key = (tree / "var" / "demo.key").read_text().strip()
        assert re.fullmatch(r"rk_[0-9a-z]{12}_[0-9a-z]{32}", key)
        assert (tree / "var" / "demo.key").stat().st_mode & 0o077 == 0
        commands = [line.strip() for line in text.splitlines() if line.strip().startswith(("curl ", "printf "))]
        assert len(commands) >= 2, text
        for command in commands:
            subprocess.run(
                ["bash", "-ec", command], cwd=tree, check=True, capture_output=True, timeout=60)
        stored = tree / "var" / "sink"
        wait_until(lambda: len(list(stored.glob("*.json"))) >= 2, "both demo messages are in the sink")
        run.stop(signal.SIGTERM)
        again = Run(tree)
        again.ready()
        listed = subprocess.run([tree / "build/release/bin/relayctl", "--socket", tree / "var/relay.sock", "key", "list"],
                                check=True, capture_output=True, text=True).stdout
        assert key[3:15] in listed
        assert (tree / "var" / "demo.key").read_text().strip() == key
        again.stop(signal.SIGINT)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.child.pid, signal.SIGKILL)


def test_a_port_in_use_is_one_sentence(tree):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", 2587))
        taken.listen()
        done = subprocess.run([tree / "run"], cwd=tree, capture_output=True, text=True, timeout=900,
                              stdin=subprocess.DEVNULL)
    assert done.returncode != 0
    assert "2587" in (done.stdout + done.stderr).strip().splitlines()[-1]
