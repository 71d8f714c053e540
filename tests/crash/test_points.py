"""SIGKILL and failed calls at every write, sync and allocation of the spool's writer.

RELAY_CRASH_POINTS: how many (1000 unless set).  RELAY_CRASH_SEED: repeats a run's choices, as far as timing allows.
"""

import os
import subprocess

from harness import BIN

POINTS = int(os.environ.get("RELAY_CRASH_POINTS", 1000))


def test_the_spool_is_what_was_acknowledged_after_every_crash(memory_path):
    seed = os.environ.get("RELAY_CRASH_SEED")
    done = subprocess.run([BIN / "crash_points", "--points", str(POINTS), "--directory", memory_path / "points",
                           *(["--seed", seed] if seed else [])], stdout=subprocess.PIPE, text=True,
                          timeout=120 + POINTS)
    print(done.stdout)
    assert done.returncode == 0, done.stdout
    assert f"{POINTS} points" in done.stdout
