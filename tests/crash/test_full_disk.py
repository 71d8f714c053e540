"""A disk that has no blocks, no inodes or is read-only; a spool that has reached its limit. All real."""

import random
import subprocess

import pytest
from disks import MIB, Disk, own_mounts
from flow import flow
from harness import BIN, wait_until
from test_errors import FULL, RESUMES_WITHIN_S, flows, refused
from world import World

pytestmark = pytest.mark.usefixtures("mounts")
EXTRA = "shutdown_grace: 2s\n"


@pytest.fixture(scope="module")
def mounts():
    own_mounts()


@pytest.fixture
def rng():
    return random.Random()


def wait_until_refused(world):
    before = {answer: refused(world, answer) for answer in FULL}
    wait_until(lambda: all(refused(world, a) >= n + 20 for a, n in before.items()), "SMTP and HTTP refuse")
    assert all(a.startswith(FULL) for a in world.ledger.refusals), world.ledger.refusals


def wait_until_taken(world):
    before = world.ledger.count()
    wait_until(lambda: world.ledger.count() > before, "mail is taken again", deadline_s=RESUMES_WITHIN_S)
    flows(world)


def deliver_all(world):
    """What waits is delivered, and that is recorded, whatever the state of the spool."""
    world.later.start()
    world.relay.ctl("queue", "release", "--all")
    world.relay.ctl("queue", "retry", "--all")
    world.relay.wait_empty()


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_others_fill_the_disk(tmp_path, rng, kind):
    with Disk(tmp_path, kind, 64 * MIB) as disk, World(tmp_path, disk.root / "spool", EXTRA) as world:
        with flow(world.relay, world.ledger, rng, large=0.2):
            flows(world)
            disk.fill()
            wait_until_refused(world)
            disk.free_all()
            wait_until_taken(world)
            disk.fill()
            wait_until_refused(world)
        deliver_all(world)
        assert disk.free() < MIB
        world.check_nothing_lost("a full disk")
        world.relay.stop()
        world.relay.start()  # on the full disk
        figures = world.deliver_the_rest()
    print(kind, figures)
    assert figures["repeated"] == 0 and figures["possible repeats"] == 0


def test_the_spool_reaches_its_limit(memory_path, rng):
    settings = {"map_size": "16MiB", "queue_size": "4MiB", "reserve": "1MiB"}
    extra = EXTRA + "limits: {message_size: 1MiB, attachment_size: 512KiB}\n"
    with World(memory_path, extra=extra, spool_settings=settings) as world:
        with flow(world.relay, world.ledger, rng, large=0.5):
            wait_until_refused(world)
            world.later.start()
            world.relay.ctl("queue", "release", "--all")
            world.relay.ctl("queue", "retry", "--all")
            wait_until_taken(world)
        assert world.deliver_the_rest()["repeated"] == 0


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_no_inodes(tmp_path, rng, kind):
    with Disk(tmp_path, kind, 64 * MIB, inodes=64) as disk, World(tmp_path, disk.root / "spool", EXTRA) as world:
        with flow(world.relay, world.ledger, rng):
            flows(world)
            disk.take_inodes()
            flows(world, 100)
            assert not world.ledger.refusals
        world.relay.stop()
        refusal = start_elsewhere(world, disk.root / "another")
        assert f"could not make the spool directory {disk.root / 'another'}" in refusal
        assert "No space left on device" in refusal
        world.relay.start()
        with flow(world.relay, world.ledger, rng):
            flows(world)
        assert world.deliver_the_rest()["repeated"] == 0


def start_elsewhere(world, spool):
    """What relayd says that cannot start on this spool; the other one has been stopped."""
    config = world.relay.dir / "elsewhere.yaml"
    text = world.relay.config.read_text().replace(f"directory: {world.relay.spool}", f"directory: {spool}")
    config.write_text(text)
    done = subprocess.run([BIN / "relayd", "--config", config], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    return done.stderr


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_a_start_on_a_read_only_disk_is_refused_with_a_sentence(tmp_path, rng, kind):
    with Disk(tmp_path, kind, 64 * MIB) as disk, World(tmp_path, disk.root / "spool", EXTRA) as world:
        with flow(world.relay, world.ledger, rng):
            flows(world)
        world.relay.stop()
        disk.remount("ro")
        for spool in (world.relay.spool, disk.root / "another"):
            refusal = start_elsewhere(world, spool)
            assert str(spool) in refusal and "Read-only file system" in refusal
        disk.remount("rw")
        world.relay.start()
        assert world.deliver_the_rest()["repeated"] == 0
