"""SIGTERM while the spool cannot be written: relayd ends in seconds and says what it could not record."""

import random
import re
import time

import pytest
from flow import LATER, flow
from harness import wait_until
from test_errors import flows, refused
from world import World

STOPS_WITHIN_S = 10
UNRECORDED = re.compile(r"outcome not recorded.* message=(msg_\w+) recipient=#(\d+)")


@pytest.fixture
def world(memory_path):
    with World(memory_path, extra="shutdown_grace: 2s\n") as made:
        yield made


def said_unrecorded(world):
    return {(i, int(n)) for i, n in UNRECORDED.findall(world.relay.process.log.read_text())}


@pytest.mark.parametrize("plan", ["write 1 ENOSPC always", "write 1 EROFS always", "sync 1 EIO", "write 1 EIO"])
def test_what_is_not_recorded_at_the_end_is_named(world, plan):
    rng = random.Random()
    with flow(world.relay, world.ledger, rng, administrators=0):
        flows(world)
        world.faults.arm(plan)
        wait_until(lambda: refused(world, "45") and refused(world, "50"), "SMTP and HTTP refuse")
    world.later.start()
    wait_until(lambda: world.later.messages(), "deliveries go on")
    begin = time.monotonic()
    world.relay.stop()
    assert time.monotonic() - begin < STOPS_WITHIN_S
    world.faults.disarm()
    for sink in (world.later, world.sink):
        sink.process.kill()
    world.relay.start()
    rows = world.settlement.queued_rows()
    world.arrivals.read()
    repeated = {(row["message"], row["recipient"]) for row in rows
                if (row["message"], row["address"]) in world.arrivals.count}
    assert repeated and repeated <= said_unrecorded(world)
    assert any(row["address"] == LATER for row in rows)
    world.sink.start()
    world.check_nothing_lost(plan)
    figures = world.deliver_the_rest()
    print(plan, figures)
    assert 0 < figures["repeated"] <= len(said_unrecorded(world))


def test_commits_that_take_long_are_waited_for(world):
    with flow(world.relay, world.ledger, random.Random()):
        flows(world)
        world.faults.arm("sync 1 delay=1000 always")
        flows(world)
        begin = time.monotonic()
        world.relay.stop()
        assert time.monotonic() - begin < STOPS_WITHIN_S
        world.faults.disarm()
        assert not said_unrecorded(world)
        world.relay.start()
        flows(world)
    assert world.deliver_the_rest()["repeated"] == 0
