"""Small file systems of their own, for spools that run out of something. They need root."""

import ctypes
import errno
import os
import subprocess

import pytest

CLONE_NEWNS = 0x00020000  # unshare(2)
MIB = 1 << 20


def own_mounts():
    """What is mounted from now on is seen by this process and its children only, and goes with them however they end."""
    if os.geteuid() != 0:
        pytest.skip("not root, so nothing can be mounted")
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
        pytest.skip(f"no mount namespace of its own: {os.strerror(ctypes.get_errno())}")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


class Disk:
    """A mounted file system of so many bytes and, if given, inodes."""

    def __init__(self, directory, kind, size, inodes=None):
        self.root, self.image = directory / "disk", directory / "disk.img"
        self.root.mkdir()
        if kind == "tmpfs":
            options = f"size={size},mode=0700" + (f",nr_inodes={inodes}" if inodes else "")
            subprocess.run(["mount", "-t", "tmpfs", "-o", options, "relay-test", self.root], check=True)
        else:
            if not os.path.exists("/dev/loop-control"):
                pytest.skip("/dev/loop-control is missing")
            self.image.touch()
            os.truncate(self.image, size)
            subprocess.run([f"mkfs.{kind}", "-q", "-m", "0", *(["-N", str(inodes)] if inodes else []), self.image],
                           check=True)
            subprocess.run(["mount", "-t", kind, "-o", "loop", self.image, self.root], check=True)
        self.others = []

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        subprocess.run(["umount", "--lazy", self.root], check=True)
        self.image.unlink(missing_ok=True)

    def free(self):
        disk = os.statvfs(self.root)
        return disk.f_bavail * disk.f_frsize

    def fill(self):
        """Others take all the blocks there are."""
        for piece in (b"o" * MIB, b"o" * 4096):
            file = os.open(self.other(), os.O_WRONLY | os.O_CREAT)
            try:
                while True:
                    os.write(file, piece)
            except OSError as e:
                assert e.errno == errno.ENOSPC
            finally:
                os.close(file)

    def take_inodes(self):
        """Others take all the inodes there are."""
        try:
            while True:
                self.other().touch()
        except OSError as e:
            assert e.errno == errno.ENOSPC

    def other(self):
        self.others.append(self.root / f"other{len(self.others)}")
        return self.others[-1]

    def free_all(self):
        for other in self.others:
            other.unlink(missing_ok=True)
        self.others = []

    def remount(self, option):
        subprocess.run(["mount", "-o", f"remount,{option}", self.root], check=True)
