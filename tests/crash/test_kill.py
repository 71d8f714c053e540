"""SIGKILL at the n-th write, sync and meta page of relayd's spool, amid the flow: nothing acknowledged is lost.

RELAY_CRASH_POINTS: how many kills (210 unless set).  RELAY_CRASH_SEED: repeats a run's choices, as far as timing allows.
"""

import collections
import contextlib
import itertools
import os
import random
import select
import signal

from faults import Faults
from flow import Ledger, flow
from harness import Relay, Sink, wait_until
from settlement import Arrivals, Settlement

POINTS = int(os.environ.get("RELAY_CRASH_POINTS", 210))
SEED = int(os.environ.get("RELAY_CRASH_SEED", random.SystemRandom().randrange(1 << 32)))
ACTIONS = [*itertools.product(["write", "sync", "meta"], ["kill", "kill-after"]), ("write", "kill-torn")]
POINTS_A_SPOOL = 70
LAST_CALL = 100  # the n-th call for n up to this, then from the first again
DEADLINE_S = 60  # for a call to come


class FaultyRelay(Relay):
    """relayd under the fault shim. later.example is routed to a sink that does not run yet."""

    CONFIG = Relay.CONFIG.replace("directory: {dir}/spool", "directory: {dir}/spool\n  reserve: 4MiB").replace(
        "routes:\n", 'routes:\n  - {{match: later.example, to: "127.0.0.1:LATER"}}\n')

    def __init__(self, directory, sink, later):
        self.CONFIG = self.CONFIG.replace("LATER", str(later.port))
        self.faults = Faults(directory, directory / "spool" / "data.mdb")
        super().__init__(directory, sink.port, env=self.faults.env)

    def start(self):
        super().start()
        wait_until(lambda: self.ctl("stats", check=False).returncode == 0, "the administration's socket answers")

    def wait_for_death(self):
        fd = os.pidfd_open(self.process.child.pid)
        with contextlib.closing(os.fdopen(fd)):
            ended, _, _ = select.select([fd], [], [], DEADLINE_S)
        assert ended, f"{self.faults.plan.read_text()} does not come: {self.faults.counts()}"
        assert self.process.child.wait() == -signal.SIGKILL, self.process.tail()
        self.faults.disarm()


def plans():
    for n in itertools.cycle(range(1, LAST_CALL + 1)):
        for call, action in ACTIONS:
            yield f"{call} {n} {action}"


class Spool:
    """One spool, from its making until all its mail is delivered, with crashes."""

    def __init__(self, directory, rng, stack):
        self.rng = rng
        self.later = self.made_sink(directory, "later", stack)
        self.later.stop()
        self.sink = self.made_sink(directory, "at-once", stack)
        self.relay = FaultyRelay(directory, self.sink, self.later)
        stack.callback(lambda: self.relay.kill())
        self.ledger = Ledger()
        self.settlement = Settlement(self.relay, self.ledger, Arrivals(self.sink.store, self.later.store))

    @staticmethod
    def made_sink(directory, name, stack):
        (directory / name).mkdir()
        sink = Sink(directory / name)
        stack.callback(lambda: sink.process.kill())
        return sink

    def crash(self, plan):
        """Amid the flow, or in a start while mail waits to flow; the relay runs afterwards."""
        if self.rng.random() < 0.3:
            self.relay.kill()
            self.relay.faults.arm(plan)
            self.relay.begin()
        else:
            self.relay.faults.arm(plan)
        self.relay.wait_for_death()
        self.relay.start()
        lost = self.settlement.lost()
        assert not lost, f"lost after {plan}: {lost}\n" + self.settlement.what_became_of(lost)

    def deliver_the_rest(self):
        self.later.start()
        self.relay.ctl("queue", "release", "--all")
        self.relay.ctl("queue", "retry", "--all")
        self.relay.wait_empty()
        repeated = self.settlement.check_end()
        said = sum(self.settlement.said_doubtful.values())
        self.relay.stop()
        return {"acknowledged": self.ledger.count(), "recipients": len(self.settlement.arrivals.count),
                "repeated": repeated, "possible repeats": said, "cancelled": len(self.ledger.cancelled)}


def test_kill_at_every_call_loses_nothing_acknowledged(memory_path):
    print(f"RELAY_CRASH_SEED={SEED}")
    rng, todo, totals = random.Random(SEED), itertools.islice(plans(), POINTS), collections.Counter()
    while some := list(itertools.islice(todo, POINTS_A_SPOOL)):
        directory = memory_path / f"{totals['points']}"
        directory.mkdir()
        with contextlib.ExitStack() as stack:
            spool = Spool(directory, rng, stack)
            with flow(spool.relay, spool.ledger, rng):
                for plan in some:
                    spool.crash(plan)
            totals.update(spool.deliver_the_rest(), points=len(some))
    print(", ".join(f"{n} {what}" for what, n in totals.items()), ", 0 lost")
    assert totals["acknowledged"] > POINTS
