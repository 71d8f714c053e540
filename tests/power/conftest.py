"""Tests that cut the power of a block device. They need root, FUSE and loop devices."""

import ctypes
import os
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))

CLONE_NEWNS = 0x00020000  # unshare(2)


def missing():
    if os.geteuid() != 0:
        return "not root, so nothing can be mounted"
    for path in ("/dev/fuse", "/dev/loop-control"):
        if not os.path.exists(path):
            return f"{path} is missing"
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
        return f"no mount namespace of its own: {os.strerror(ctypes.get_errno())}"
    return None


@pytest.fixture(scope="session", autouse=True)
def own_mounts():
    """What is mounted here is seen by this process and its children only, and goes with them however they end."""
    reason = missing()
    if reason:
        pytest.skip(f"power cuts: {reason}")
    private = subprocess.run(["mount", "--make-rprivate", "/"], capture_output=True, text=True)
    if private.returncode != 0:  # of a chroot the root need not be mounted
        pytest.skip(f"power cuts: what is mounted cannot be kept to the tests: {private.stderr.strip()}")


@pytest.fixture
def memory(tmp_path):
    """A directory in memory: thousands of small files of a sink, and a disk, are gone at once after the test."""
    path = tmp_path / "memory"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4g", "power-test", path], check=True)
    yield path
    subprocess.run(["umount", "--lazy", path], check=True)
