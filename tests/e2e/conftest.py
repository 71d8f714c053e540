import ssl
import uuid

import pytest
from harness import Relay, Sink


@pytest.fixture(scope="session")
def sink(tmp_path_factory):
    made = Sink(tmp_path_factory.mktemp("sink"))
    yield made
    made.stop()


@pytest.fixture(scope="session")
def relay(tmp_path_factory, sink):
    made = Relay(tmp_path_factory.mktemp("relay"), sink.port)
    yield made
    made.stop()


@pytest.fixture
def token():
    """A word found in one test's messages only."""
    return "token" + uuid.uuid4().hex


@pytest.fixture
def trusting(relay):
    """A TLS context that trusts the relay's own certificate and nothing else."""
    return ssl.create_default_context(cafile=str(relay.certificate))
