"""That the disk of these tests does what a power cut does: without this they would show nothing."""

import contextlib
import mmap
import os
import random

import pytest
from disk import Disk

SECTOR, BLOCK = 512, 4096
OLD, NEW = b"o", b"n"


@pytest.fixture
def disk(tmp_path, memory):
    with Disk(tmp_path, memory, "ext4", random.Random(tmp_path.name)) as made:
        yield made


@contextlib.contextmanager
def direct(path):
    """The file without the page cache, so that what is written is with the disk, flushed or not."""
    fd = os.open(path, os.O_RDWR | os.O_DIRECT)
    try:
        yield fd
    finally:
        os.close(fd)


def write(fd, offset, letter, size=BLOCK):
    with mmap.mmap(-1, size) as aligned:
        aligned.write(letter * size)
        assert os.pwrite(fd, aligned, offset) == size


def read(fd, offset, size=BLOCK):
    with mmap.mmap(-1, size) as aligned:
        assert os.preadv(fd, [aligned], offset) == size
        return aligned[:]


def again(disk):
    disk.take_down()
    return disk.attach()


def test_what_was_not_flushed_is_gone(disk):
    with direct(disk.attach()) as fd:
        write(fd, 0, OLD)
        os.fsync(fd)
        write(fd, 0, NEW)
        write(fd, BLOCK, NEW)
        assert read(fd, 0) == NEW * BLOCK  # until the cut it is there
        disk.lose_all()
    with direct(again(disk)) as fd:
        assert read(fd, 0) == OLD * BLOCK
        assert read(fd, BLOCK) != NEW * BLOCK


def test_what_was_flushed_is_there(disk):
    with direct(disk.attach()) as fd:
        for i in range(100):
            write(fd, i * BLOCK, NEW)
        os.fsync(fd)
        disk.lose_all()
    with direct(again(disk)) as fd:
        assert read(fd, 0, 100 * BLOCK) == NEW * BLOCK * 100


def test_of_what_was_not_flushed_any_part_may_be_there(disk):
    blocks, kinds = 200, set()
    device = disk.attach()
    for _ in range(8):
        with direct(device) as fd:
            write(fd, 0, OLD, blocks * BLOCK)
            os.fsync(fd)
            for i in range(blocks):
                write(fd, i * BLOCK, NEW)
            disk.cut()
        device = again(disk)
        with direct(device) as fd:
            for i in range(blocks):
                block = read(fd, i * BLOCK)
                sectors = {block[at:at + SECTOR] for at in range(0, BLOCK, SECTOR)}
                assert sectors <= {OLD * SECTOR, NEW * SECTOR}
                kinds.add("torn" if len(sectors) == 2 else block[:1])
    assert kinds == {OLD, NEW, "torn"}
    unflushed, lost = disk.unflushed()
    assert unflushed == 8 * blocks and 0 < lost < unflushed


@pytest.mark.parametrize("sync", [None, os.fsync, os.fdatasync])
def test_the_file_system_passes_a_sync_on(disk, sync):
    disk.mount()
    path = disk.root / "file"
    path.write_bytes(OLD * BLOCK)
    for made in (path, disk.root):
        fd = os.open(made, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)
    with direct(path) as fd:
        write(fd, 0, NEW)
        if sync:
            sync(fd)
        disk.lose_all()
    disk.take_down()
    disk.mount()
    assert path.read_bytes() == (NEW if sync else OLD) * BLOCK
