"""Knot DNS with a signed root of its own, and a network namespace in which addresses may be any."""

import contextlib
import copy
import ctypes
import os
import pathlib
import subprocess

from harness import Process, wait_until

CLONE_NEWNET = 0x40000000


def _libc(call, *args):
    if getattr(ctypes.CDLL(None, use_errno=True), call)(*args) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")


@contextlib.contextmanager
def network(addresses):
    """This thread, and every process it starts, in a network of its own, with loopback and these addresses. As root."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        _libc("unshare", CLONE_NEWNET)
        try:
            run("ip", "link", "set", "lo", "up")
            for address in addresses:
                run("ip", "address", "add", address, "dev", "lo", "nodad")
            yield
        finally:
            _libc("setns", before, CLONE_NEWNET)
    finally:
        os.close(before)


def run(*argv):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{argv}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


class NameServer:
    """Authoritative for the zones it is given, as texts without SOA and NS, or None for one that it cannot load and answers
    with SERVFAIL; "." is one of them. Those in `signed` are signed, with DS records in the root; `forge` may then change a signed zone's file, as an attacker would. It
    answers like a resolver that has everything in its cache."""

    def __init__(self, directory, zones, signed=(), forge=None, port=53, address="127.0.0.1"):
        self.dir, self.port, self.address = pathlib.Path(directory), port, address
        for made in (self.dir, self.dir / "db", self.dir / "signed"):
            made.mkdir(exist_ok=True)
        self.signed = [z for z in signed if z != "."] + ["."] * ("." in signed)  # the root last: it has the others' DS
        self.texts = dict(zones)
        self.config = self.dir / "knot.conf"
        for zone in self.texts:
            if zone != ".":
                self.texts["."] += f"{zone} NS ns.\n"
        for zone, text in self.texts.items():
            if zone not in self.signed and text is not None:
                self._write(zone)
        self._configure(signing=True)
        for zone in self.signed:
            run("keymgr", "-c", self.config, zone, "generate", "algorithm=ecdsap256sha256", "ksk=yes", "zsk=yes")
            if zone != ".":
                ds = run("keymgr", "-c", self.config, zone, "ds").splitlines()
                self.texts["."] += "".join(line + "\n" for line in ds if " 13 2 " in line)
        for zone in self.signed:
            self._write(zone)
            run("kzonesign", "-c", self.config, "-o", self.dir / "signed", zone)
            text = (self.dir / "signed" / self._path(zone).name).read_text()
            self._path(zone).write_text(forge(zone, text) if forge else text)
        self.anchor = self.dir / "root.key"
        if "." in self.signed:
            self.anchor.write_text(run("keymgr", "-c", self.config, ".", "dnskey"))
        self._serve()

    def twin(self, directory, port):
        """The same zones and keys at another port."""
        other = copy.copy(self)
        other.dir, other.port = pathlib.Path(directory), port
        other.config = other.dir / "knot.conf"
        (other.dir / "db").mkdir(parents=True)
        for zone, text in self.texts.items():
            if text is not None:
                other._path(zone).write_text(self._path(zone).read_text())
        other._serve()
        return other

    def _serve(self):
        self._configure(signing=False)
        self.process = Process(["knotd", "-c", self.config], self.dir / "knot.log")
        wait_until(lambda: self.ask(".", "SOA"), "the name server answers")

    def ask(self, name, kind):
        done = subprocess.run(["kdig", "+short", "+time=1", "+retry=0", "-p", str(self.port), f"@{self.address}", name, kind],
                              capture_output=True, text=True, timeout=10)
        return done.stdout if done.returncode == 0 else ""

    def stop(self):
        self.process.kill()

    def _path(self, zone):
        return self.dir / ("zone-" + (zone.rstrip(".") or "root"))

    def _write(self, zone):
        self._path(zone).write_text("$TTL 300\n@ SOA ns. root. 1 3600 600 86400 300\n@ NS ns.\n" +
                                    ("ns. A 127.0.0.1\n" if zone == "." else "") + self.texts[zone])

    def _configure(self, signing):
        text = f"server:\n  listen: {self.address}@{self.port}\n  rundir: {self.dir}\n"
        text += f"database:\n  storage: {self.dir / 'db'}\n"
        text += "policy:\n  - id: manual\n    manual: on\n"
        text += "zone:\n"
        for zone in self.texts:
            text += f"  - domain: \"{zone}\"\n    file: {self._path(zone)}\n    zonefile-load: whole\n    zonefile-sync: -1\n"
            if signing and zone in self.signed:
                text += "    dnssec-signing: on\n    dnssec-policy: manual\n"
        self.config.write_text(text)
