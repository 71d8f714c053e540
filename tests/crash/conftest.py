import pathlib
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))


@pytest.fixture
def memory_path():
    """A directory in memory where there is one: what a SIGKILL leaves is the same as on a disk, and syncs take no time."""
    shm = pathlib.Path("/dev/shm")
    made = pathlib.Path(tempfile.mkdtemp(prefix="relay-crash-", dir=shm if shm.is_dir() else None))
    yield made
    shutil.rmtree(made)
