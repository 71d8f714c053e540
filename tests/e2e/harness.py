"""The relay and its sink as real processes on loopback, for tests that drive them with other people's clients."""

import contextlib
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import threading
import time

BIN = pathlib.Path(os.environ.get("RELAY_BIN", "build/release/bin")).resolve()
HERE = pathlib.Path(__file__).resolve().parent
DEADLINE_S = 60  # for anything that should happen; a loaded machine is slow, a hung relay is forever


def wait_until(condition, what, deadline_s=DEADLINE_S):
    """The condition's first true value. Looks often, gives up with `what`."""
    pause = threading.Event()
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {deadline_s} s: {what}"
        pause.wait(0.02)


def free_port():
    """Outside of the range from which the kernel takes ports for connections, one of which would have it by then."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as file:
        first, last = map(int, file.read().split())
    ports = [*range(10000, first), *range(last + 1, 65536)]
    while True:
        with contextlib.suppress(OSError), socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            port = random.SystemRandom().choice(ports)
            s.bind(("127.0.0.1", port))
            return port


def accepts(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


class Process:
    """A child with its log in a file. It must still run when stopped, and must end as it should."""

    def __init__(self, argv, log, env=None):
        self.log = pathlib.Path(log)
        with open(self.log, "ab") as out:
            self.child = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                          env={**os.environ, **(env or {})})

    def alive(self):
        return self.child.poll() is None

    def stop(self):
        if self.alive():
            self.child.terminate()
            assert self.child.wait(30) == 0, f"exit {self.child.returncode}:\n{self.tail()}"

    def kill(self):
        if self.alive():
            self.child.send_signal(signal.SIGKILL)
            self.child.wait(30)

    def tail(self, lines=40):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class Delivered:
    """A message as the sink stored it."""

    def __init__(self, eml):
        self.path = eml
        self.content = eml.read_bytes()
        envelope = json.loads(eml.with_suffix(".json").read_text())
        self.reverse_path = envelope["from"]
        self.recipients = envelope["recipients"]

    @property
    def header(self):
        return self.content.partition(b"\r\n\r\n")[0]

    @property
    def body(self):
        return self.content.partition(b"\r\n\r\n")[2]


class Sink:
    @classmethod
    def made(cls, directory, stack):
        """In a directory of its own, until the stack of contexts unwinds."""
        directory.mkdir()
        sink = cls(directory)
        stack.callback(lambda: sink.process.kill())
        return sink

    def __init__(self, directory):
        self.store = pathlib.Path(directory) / "sink"
        self.store.mkdir(exist_ok=True)
        self.log = pathlib.Path(directory) / "sink.log"
        self.port = free_port()
        self.process = None
        self.start()

    def start(self):
        self.process = Process([BIN / "relayctl", "sink", "--listen", f"127.0.0.1:{self.port}", "--store", self.store],
                               self.log)
        wait_until(lambda: accepts(self.port), "the sink listens")

    def stop(self):
        self.process.stop()

    def messages(self):
        # The envelope is written last, so a message with one is whole.
        return [Delivered(p.with_suffix(".eml")) for p in sorted(self.store.glob("*.json"))]

    def wait_for(self, token, count=1):
        """The messages whose content has the token, once there are `count`."""
        token = token.encode() if isinstance(token, str) else token
        return wait_until(
            lambda: (lambda found: found if len(found) >= count else None)(
                [m for m in self.messages() if token in m.content]),
            f"{count} message(s) with {token!r} at the sink")


class Relay:
    """relayd with every domain routed to one sink."""

    CONFIG = """\
host_name: relay.test
tls:
  certificate: {dir}/cert.pem
  key: {dir}/key.pem
submission:
  listen:
    - {{address: 127.0.0.1, port: {starttls}, tls: starttls}}
    - {{address: 127.0.0.1, port: {implicit}, tls: implicit}}
http:
  listen:
    - {{address: 127.0.0.1, port: {http}}}
admin:
  socket: {dir}/relay.sock
spool:
  directory: {dir}/spool
routes:
  - {{match: "*", to: "127.0.0.1:{sink}"}}
delivery:
  retry: {{first: {retry_first}}}
"""

    def __init__(self, directory, sink_port, retry_first="1s", extra="", env=None):
        self.dir, self.env = pathlib.Path(directory), env
        self.starttls, self.implicit, self.http = free_port(), free_port(), free_port()
        self.config = self.dir / "relay.yaml"
        self.config.write_text(self.CONFIG.format(dir=self.dir, starttls=self.starttls, implicit=self.implicit,
                                                  http=self.http, sink=sink_port, retry_first=retry_first) + extra)
        if not (self.dir / "cert.pem").exists():
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                            "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout",
                            self.dir / "key.pem", "-out", self.dir / "cert.pem"], check=True, capture_output=True)
        self.certificate = self.dir / "cert.pem"
        self.process = None
        self.start()
        key = self.ctl_json("key", "create", "--label", "tests")
        self.key, self.key_id = key["key"], key["id"]

    def begin(self):
        self.process = Process([BIN / "relayd", "--config", self.config], self.dir / "relayd.log", self.env)

    def start(self):
        self.begin()

        def up():
            assert self.process.alive(), f"relayd ended:\n{self.process.tail()}"
            return all(map(accepts, (self.starttls, self.implicit, self.http)))

        wait_until(up, "relayd listens")

    def stop(self):
        self.process.stop()

    def kill(self):
        self.process.kill()

    def ctl(self, *args, check=True):
        done = subprocess.run([BIN / "relayctl", "--socket", self.dir / "relay.sock", *map(str, args)],
                              capture_output=True, text=True, timeout=60)
        assert not check or done.returncode == 0, f"relayctl {args}: exit {done.returncode}\n{done.stderr}"
        return done

    def ctl_json(self, *args):
        return json.loads(self.ctl(*args, "--json").stdout)

    def get(self, path):
        """What the Unix socket answers to a GET."""
        return run_client(["curl", "-sS", "--fail", "--unix-socket", self.dir / "relay.sock", f"http://localhost{path}"])

    def open_recipients(self):
        return self.ctl_json("stats")["spool"]["open_recipients"]

    def wait_empty(self):
        wait_until(lambda: self.open_recipients() == 0, "the queue is empty")


def run_client(argv, stdin=None, env=None, timeout=120):
    done = subprocess.run([str(a) for a in argv], input=stdin, capture_output=True, timeout=timeout,
                          env={**os.environ, **(env or {})})
    assert done.returncode == 0, (f"{argv[0]}: exit {done.returncode}\n{done.stdout.decode(errors='replace')}"
                                  f"\n{done.stderr.decode(errors='replace')}")
    return done.stdout.decode(errors="replace")
