"""Calls of the spool that fail instead of killing: those after which nothing may be acknowledged, and those that pass."""

import random
import time

import pytest
from flow import LATER, flow
from harness import wait_until
from world import World

RESUMES_WITHIN_S = 10
STOPS_WITHIN_S = 15
EXTRA = "shutdown_grace: 2s\n"


@pytest.fixture
def rng():
    return random.Random()


@pytest.fixture
def world(memory_path):
    with World(memory_path, extra=EXTRA) as made:
        yield made


def refused(world, *answers):
    """How often, of all answers that begin so."""
    return sum(n for answer, n in list(world.ledger.refusals.items()) if answer.startswith(answers))


def all_refused(world, senders):
    """An answer from before may be on its way to one sender when another has been refused."""
    wait_until(lambda: world.ledger.turned_away == set(senders), "SMTP and HTTP refuse")


def flows(world, more=20):
    before = world.ledger.count()
    wait_until(lambda: world.ledger.count() >= before + more, "mail flows")


def arrived_at_once(world):
    """Whether all that was acknowledged for the host that takes mail has arrived there."""
    world.arrivals.read()
    return all((i, r) in world.arrivals.count for i, mail in list(world.ledger.acknowledged.items())
               for r in mail.recipients if r != LATER)


def stop(world):
    begin = time.monotonic()
    world.relay.stop()
    assert time.monotonic() - begin < STOPS_WITHIN_S


@pytest.mark.parametrize("plan", ["sync 1 EIO", "sync 3 EIO always", "write 1 EIO", "write 2 EIO always", "meta 1 EIO",
                                  "meta 2 EIO-after", "meta 1 EIO always"])
def test_after_an_io_error_nothing_is_acknowledged(world, rng, plan):
    with flow(world.relay, world.ledger, rng, administrators=0) as senders:
        flows(world)
        world.faults.arm(plan)
        all_refused(world, senders)
        world.faults.disarm()  # the disk seems well again: that is no reason to trust it
        acknowledged, answers = world.ledger.count(), refused(world, "451 4.3.0", "503")
        wait_until(lambda: refused(world, "451 4.3.0", "503") > answers + 50, "more is refused")
        assert world.ledger.count() == acknowledged
        wait_until(lambda: arrived_at_once(world), "what was acknowledged is delivered")
        assert set(world.ledger.refusals) <= {"451 4.3.0", "503 " + unavailable(world)}, world.ledger.refusals
    assert world.relay.process.alive()
    assert "spool: failed for good" in world.relay.process.tail(10_000)
    stop(world)
    world.relay.start()
    world.check_nothing_lost(plan)
    figures = world.deliver_the_rest()
    print(plan, figures)
    assert figures["repeated"] <= figures["possible repeats"]


def unavailable(world):
    return next(a for a in world.ledger.refusals if a.startswith("503")).split()[1]


FULL = ("452 4.3.1", "50")


@pytest.mark.parametrize("plan, answers", [
    ("write 1 ENOSPC always", FULL), ("write 1 EDQUOT always", FULL), ("sync 1 ENOSPC always", FULL)])
def test_a_disk_that_takes_nothing_for_a_while(world, rng, plan, answers):
    with flow(world.relay, world.ledger, rng) as senders:
        flows(world)
        world.faults.arm(plan)
        all_refused(world, senders)
        before = world.ledger.count()
        some = refused(world, *answers)
        wait_until(lambda: refused(world, *answers) > some + 10, "more is refused")
        wait_until(lambda: arrived_at_once_or_stopped(world), "what was acknowledged is delivered")
        assert world.ledger.count() == before
        assert all(a.startswith(answers) for a in world.ledger.refusals), world.ledger.refusals
        world.faults.disarm()
        wait_until(lambda: world.ledger.count() > before, "mail is taken again", deadline_s=RESUMES_WITHIN_S)
        flows(world)
    world.check_nothing_lost(plan)
    figures = world.deliver_the_rest()
    print(plan, figures)
    assert figures["repeated"] == 0


def arrived_at_once_or_stopped(world):
    """What the administrator has got at may wait or be cancelled."""
    world.arrivals.read()
    return all((i, r) in world.arrivals.count for i, mail in list(world.ledger.acknowledged.items())
               for r in mail.recipients if r != LATER and LATER not in mail.recipients)
