"""A file system on a disk that forgets what was not flushed when its power is cut."""

import contextlib
import os
import pathlib
import re
import subprocess

from harness import BIN, Process, wait_until

SIZE = 1 << 30  # sparse
MKFS = {
    "ext4": ["mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0"],
    "xfs": ["mkfs.xfs", "-q"],
    "btrfs": ["mkfs.btrfs", "-q"],
}


class Disk:
    """tests/power/cut_disk as FUSE file, a loop device on it, a file system on that. `root` is where it is mounted.

    `backing` is a directory for what is on the disk. It is used with `with`, which takes everything down again, whatever state it is in.
    """

    def __init__(self, directory, backing, filesystem, rng):
        self.dir = pathlib.Path(directory)
        self.filesystem, self.rng = filesystem, rng
        self.backing, self.fuse, self.root = backing / "disk.img", self.dir / "fuse", self.dir / "root"
        self.log = self.dir / "disk.log"
        self.server = self.device = None
        for path in (self.fuse, self.root):
            path.mkdir()
        self.backing.touch()
        os.truncate(self.backing, SIZE)
        subprocess.run([*MKFS[filesystem], self.backing], check=True, stdout=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.lose_all()
        self.take_down()

    def attach(self):
        """The block device alone."""
        seed = self.rng.randrange(1 << 64)
        self.server = Process([BIN / "cut_disk", self.backing, self.fuse, seed], self.log)

        def served():
            assert self.server.alive(), f"cut_disk ended:\n{self.server.tail()}"
            return os.path.ismount(self.fuse)

        wait_until(served, "cut_disk serves")
        done = subprocess.run(["losetup", "--find", "--show", "--direct-io=on", self.fuse / "disk"], check=True,
                              capture_output=True, text=True)
        self.device = done.stdout.strip()
        return self.device

    def detach(self):
        """Of a mounted device: once it is unmounted."""
        if self.device:
            subprocess.run(["losetup", "--detach", self.device], check=True)
            self.device = None

    def mount(self):
        subprocess.run(["mount", "-t", self.filesystem, self.attach(), self.root], check=True)
        self.detach()

    def cut(self):
        """The power goes; some of what was not flushed may be on the disk nevertheless."""
        self.server.child.terminate()
        self.server.child.wait(30)

    def lose_all(self):
        """The power goes, and nothing that was not flushed is on the disk."""
        if self.server:
            self.server.kill()

    def take_down(self):
        """After a cut, when nobody uses the file system any more."""
        with contextlib.suppress(subprocess.CalledProcessError):
            self.detach()
        for path in (self.root, self.fuse):
            try:
                wait_until(lambda p=path: self.unmounted(p), f"{path} is unmounted", deadline_s=20)
            except AssertionError:  # the loop device goes with whoever still uses it
                subprocess.run(["umount", "--lazy", path], check=True)
                raise

    @staticmethod
    def unmounted(path):
        done = subprocess.run(["umount", path], capture_output=True, text=True)
        return done.returncode == 0 or "not mounted" in done.stderr

    def unflushed(self):
        """Of all cuts so far, with cut(): how many writes had not been flushed, and how many of them were lost."""
        found = re.findall(r"^cut .*unflushed=(\d+) .*torn=(\d+) lost=(\d+)", self.log.read_text(), re.MULTILINE)
        return sum(int(n) for n, _, _ in found), sum(int(t) + int(l) for _, t, l in found)
