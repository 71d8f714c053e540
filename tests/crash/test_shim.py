"""That the fault shim does what its plan says: without this the tests that use it would show nothing."""

import errno
import json
import os
import signal
import subprocess
import sys

import pytest
from faults import Faults

PAGE = os.sysconf("SC_PAGE_SIZE")
# What the process under the shim does: each call in turn, telling of each what came of it.
PROGRAM = """\
import json, os, sys, time
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
page = os.sysconf("SC_PAGE_SIZE")
calls = {
    "meta": lambda at: os.pwrite(fd, b"m" * 100, 0),
    "pwrite": lambda at: os.pwrite(fd, b"a" * page, (2 + at) * page),
    "writev": lambda at: (os.lseek(fd, (2 + at) * page, 0), os.writev(fd, [b"v" * page] * 2))[1],
    "write": lambda at: (os.lseek(fd, (2 + at) * page, 0), os.write(fd, b"w" * page))[1],
    "fsync": lambda at: os.fsync(fd), "fdatasync": lambda at: os.fdatasync(fd),
    "allocate": lambda at: os.ftruncate(fd, 100 * page),
}
for at, name in enumerate(sys.argv[2:]):
    begin = time.monotonic()
    try:
        result = calls[name](2 * at)
    except OSError as e:
        result = -e.errno
    print(json.dumps([result, time.monotonic() - begin]), flush=True)
"""


class Run:
    def __init__(self, directory, plan, calls):
        self.file = directory / "file"
        faults = Faults(directory, self.file)
        if plan:
            faults.arm(*plan)
        done = subprocess.run([sys.executable, "-c", PROGRAM, str(self.file), *calls], env={**os.environ, **faults.env},
                              stdout=subprocess.PIPE, text=True, timeout=60)
        self.code = done.returncode
        told = [json.loads(line) for line in done.stdout.splitlines()]
        self.results, self.took = [r for r, _ in told], [t for _, t in told]
        self.calls, self.interfered = faults.counts()

    def bytes_at(self, call):
        """What is in the file where the call's turn would write."""
        return self.file.read_bytes()[(2 + 2 * call) * PAGE:][:2 * PAGE].rstrip(b"\0")


def test_calls_are_counted_by_kind_and_pass(tmp_path):
    names = ["meta", "pwrite", "writev", "write", "fsync", "fdatasync", "allocate"]
    run = Run(tmp_path, [], names)
    assert run.code == 0 and run.interfered == 0
    assert run.results == [100, PAGE, 2 * PAGE, PAGE, None, None, None]
    assert run.calls == {"write": 3, "meta": 1, "sync": 2, "allocate": 1}
    assert [run.bytes_at(i)[:1] for i in range(1, 4)] == [b"a", b"v", b"w"]


@pytest.mark.parametrize("name", ["pwrite", "writev", "write"])
@pytest.mark.parametrize("action, share", [("kill", 0), ("kill-torn", 0.5), ("kill-after", 1)])
def test_killed_at_the_second_write(tmp_path, name, action, share):
    run = Run(tmp_path, [f"write 2 {action}"], ["fsync", "pwrite", "fsync", name, name])
    assert run.code == -signal.SIGKILL
    assert len(run.results) == 3 and run.interfered == 1
    whole = PAGE * (2 if name == "writev" else 1)
    assert len(run.bytes_at(3)) == whole * share


@pytest.mark.parametrize("action", ["kill", "kill-torn", "kill-after"])
@pytest.mark.parametrize("call, kind", [("fdatasync", "sync"), ("meta", "meta"), ("allocate", "allocate")])
def test_killed_at_other_calls(tmp_path, call, kind, action):
    run = Run(tmp_path, [f"{kind} 1 {action}"], ["pwrite", call, call])
    assert run.code == -signal.SIGKILL and len(run.results) == 1


@pytest.mark.parametrize("code", ["EIO", "ENOSPC", "EDQUOT", "EROFS"])
def test_failed_calls_do_nothing(tmp_path, code):
    run = Run(tmp_path, [f"write 2 {code} 2", f"sync 1 {code}"], ["pwrite"] * 4 + ["fsync"] * 2)
    number = -getattr(errno, code)
    assert run.results == [PAGE, number, number, PAGE, number, None] and run.interfered == 3
    assert [len(run.bytes_at(i)) for i in range(4)] == [PAGE, 0, 0, PAGE]


def test_short_writes_and_writes_that_fail_although_done(tmp_path):
    run = Run(tmp_path, ["write 1 short", "write 2 EIO-after", "allocate 1 short"], ["pwrite", "pwrite", "allocate"])
    assert run.results == [PAGE // 2, -errno.EIO, -errno.ENOSPC]
    assert [len(run.bytes_at(i)) for i in range(2)] == [PAGE // 2, PAGE]


def test_always_and_any_and_late(tmp_path):
    run = Run(tmp_path, ["any 3 ENOSPC always", "sync 1 delay=300"], ["pwrite", "fsync", "meta", "fsync", "write"])
    assert run.results == [PAGE, None] + [-errno.ENOSPC] * 3
    assert run.took[1] >= 0.3 > run.took[0]


def test_other_files_pass(tmp_path):
    (tmp_path / "other").mkdir()
    faults = Faults(tmp_path, tmp_path / "other" / "file")
    faults.arm("any 1 kill always")
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path / "file"), "pwrite", "fsync"],
                          env={**os.environ, **faults.env}, stdout=subprocess.PIPE, timeout=60)
    assert done.returncode == 0 and faults.counts()[1] == 0
