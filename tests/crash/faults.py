"""The fault shim (shim.cc) as seen from a test."""

import os
import pathlib
import struct

from harness import BIN

CALLS = ("write", "meta", "sync", "allocate")


class Faults:
    """What goes wrong with one file of a process that is started with `env`. Plans: see plan.h."""

    def __init__(self, directory, file):
        self.plan = pathlib.Path(directory) / "fault.plan"
        self.shown = pathlib.Path(directory) / "fault.counts"
        self.env = {"LD_PRELOAD": str(BIN / "libfault_shim.so"), "RELAY_FAULT_FILE": os.path.realpath(file),
                    "RELAY_FAULT_PLAN": str(self.plan), "RELAY_FAULT_COUNTS": str(self.shown),
                    "ASAN_OPTIONS": "verify_asan_link_order=0"}

    def arm(self, *lines):
        new = self.plan.with_suffix(".new")
        new.write_text("".join(line + "\n" for line in lines))
        new.rename(self.plan)  # the shim never sees half of it

    def disarm(self):
        self.plan.unlink(missing_ok=True)

    def counts(self):
        """How many calls the process has made, by kind, and how many went wrong."""
        *calls, interfered = struct.unpack("=5Q", self.shown.read_bytes())
        return dict(zip(CALLS, calls)), interfered
