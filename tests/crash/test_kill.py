"""SIGKILL at the n-th write, sync and meta page of relayd's spool, amid the flow: nothing acknowledged is lost.

RELAY_CRASH_POINTS: how many kills (210 unless set).  RELAY_CRASH_SEED: repeats a run's choices, as far as timing allows.
"""

import collections
import itertools
import os
import random

from flow import flow
from world import World

POINTS = int(os.environ.get("RELAY_CRASH_POINTS", 210))
SEED = int(os.environ.get("RELAY_CRASH_SEED", random.SystemRandom().randrange(1 << 32)))
ACTIONS = [*itertools.product(["write", "sync", "meta"], ["kill", "kill-after"]), ("write", "kill-torn")]
POINTS_A_SPOOL = 70
LAST_CALL = 100  # the n-th call for n up to this, then from the first again


def plans():
    for n in itertools.cycle(range(1, LAST_CALL + 1)):
        for call, action in ACTIONS:
            yield f"{call} {n} {action}"


def crash(world, plan, rng):
    """Amid the flow, or in a start while mail waits to flow; the relay runs afterwards."""
    if rng.random() < 0.3:
        world.relay.kill()
        world.faults.arm(plan)
        world.relay.begin()
    else:
        world.faults.arm(plan)
    world.relay.wait_for_death()
    world.relay.start()
    world.check_nothing_lost(plan)


def test_kill_at_every_call_loses_nothing_acknowledged(memory_path):
    print(f"RELAY_CRASH_SEED={SEED}")
    rng, todo, totals = random.Random(SEED), itertools.islice(plans(), POINTS), collections.Counter()
    while some := list(itertools.islice(todo, POINTS_A_SPOOL)):
        directory = memory_path / f"{totals['points']}"
        directory.mkdir()
        with World(directory) as world:
            with flow(world.relay, world.ledger, rng):
                for plan in some:
                    crash(world, plan, rng)
            totals.update(world.deliver_the_rest(), points=len(some))
    print(", ".join(f"{n} {what}" for what, n in totals.items()), ", 0 lost")
    assert totals["acknowledged"] > POINTS
