"""relayd under the fault shim, with a host that takes mail at once and one that is down until it is started."""

import contextlib
import os
import select
import signal

from faults import Faults
from flow import Ledger
from harness import Relay, Sink, wait_until
from settlement import Arrivals, Settlement

DEADLINE_S = 60  # for a call to come


class FaultyRelay(Relay):
    """later.example is routed to the host that is down."""

    CONFIG = Relay.CONFIG.replace("directory: {dir}/spool", "directory: SPOOL").replace(
        "routes:\n", 'routes:\n  - {{match: later.example, to: "127.0.0.1:LATER"}}\n')

    def __init__(self, directory, sink, later, spool, settings, extra):
        self.spool = spool
        lines = "".join(f"\n  {name}: {value}" for name, value in settings.items())
        self.CONFIG = self.CONFIG.replace("LATER", str(later.port)).replace("SPOOL", f"{spool}{lines}")
        self.faults = Faults(directory, spool / "data.mdb")
        super().__init__(directory, sink.port, extra=extra, env=self.faults.env)

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


class World:
    """One spool, from its making until all its mail is delivered. Used with `with`."""

    def __init__(self, directory, spool=None, extra="", spool_settings=None):
        settings = {"reserve": "4MiB", **(spool_settings or {})}
        with contextlib.ExitStack() as stack:
            self.later = Sink.made(directory / "later", stack)
            self.later.process.kill()
            self.sink = Sink.made(directory / "at-once", stack)
            self.relay = FaultyRelay(directory, self.sink, self.later, spool or directory / "spool", settings, extra)
            stack.callback(lambda: self.relay.kill())
            self.stack = stack.pop_all()
        self.faults = self.relay.faults
        self.ledger = Ledger()
        self.arrivals = Arrivals(self.sink.store, self.later.store)
        self.settlement = Settlement(self.relay, self.ledger, self.arrivals)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.stack.close()

    def check_nothing_lost(self, after):
        lost = self.settlement.lost()
        assert not lost, f"lost after {after}: {lost}\n" + self.settlement.what_became_of(lost)

    def deliver_the_rest(self):
        """And stops the relay. Figures of the whole."""
        if not self.later.process.alive():
            self.later.start()
        self.relay.ctl("queue", "release", "--all")
        self.relay.ctl("queue", "retry", "--all")
        self.relay.wait_empty()
        repeated = self.settlement.check_end()
        cancelled = len(self.settlement.cancelled())
        said = sum(self.settlement.said_doubtful.values())
        self.relay.stop()
        return {"acknowledged": self.ledger.count(), "recipients": len(self.arrivals.count), "repeated": repeated,
                "possible repeats": said, "cancelled": cancelled}
