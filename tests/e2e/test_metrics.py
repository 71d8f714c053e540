"""GET /metrics as Prometheus reads it, over a life with mail, a refusal, kill -9 and a start."""

import http.client
import json
import smtplib

import pytest
from harness import Relay, Sink, wait_until
from prometheus_client.parser import text_string_to_metric_families


def read(connection):
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer, body


def samples(text):
    """Every sample by name and labels; each family announced with help and type, and no sample twice."""
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation, family.name
        assert family.type in ("counter", "gauge", "histogram"), family.name
        for sample in family.samples:
            key = (sample.name, *sorted(sample.labels.items()))
            assert key not in found, key
            found[key] = sample.value
    assert found
    return found


def scrape(relay):
    return samples(relay.get("/metrics"))


@pytest.fixture
def pair(tmp_path):
    sink = Sink(tmp_path)
    relay = Relay(tmp_path, sink.port)
    yield relay, sink
    relay.stop()
    sink.stop()


def send(relay, recipients=("a@example.net", "b@example.net")):
    with smtplib.SMTP("localhost", relay.starttls, timeout=60) as client:
        client.starttls()
        client.login(relay.key_id, relay.key)
        client.sendmail("s@example.org", list(recipients), "Subject: x\r\n\r\nhi\r\n")


def test_the_page_follows_the_mail(pair):
    relay, _ = pair
    before = scrape(relay)
    send(relay)
    client = http.client.HTTPConnection("127.0.0.1", relay.http, timeout=60)
    client.request("POST", "/v1/messages", json.dumps(
        {"from": "s@example.org", "to": ["a@example.net"], "subject": "x", "text": "x"}),
        {"Authorization": f"Bearer {relay.key}", "Content-Type": "application/json"})
    assert client.getresponse().status == 202
    relay.wait_empty()
    wait_until(lambda: scrape(relay)["relay_queue_outcomes_total", ("outcome", "delivered")] == 3, "three delivered")
    after = scrape(relay)
    assert after["relay_intake_messages_total", ("origin", "smtp")] == 1
    assert after["relay_intake_messages_total", ("origin", "http")] == 1
    assert after["relay_intake_recipients_total",] == 3
    assert after["relay_intake_bytes_total",] > 0
    assert after["relay_spool_commits_total",] > before["relay_spool_commits_total",]
    assert after["relay_spool_operations_total",] >= before["relay_spool_operations_total",] + 5
    assert after["relay_spool_commit_duration_seconds_count",] == after["relay_spool_commits_total",]
    assert after["relay_spool_batch_operations_sum",] == after["relay_spool_operations_total",]
    assert after["relay_spool_durability", ("mode", "sync")] == 1
    assert after["relay_spool_messages",] == 2
    assert after["relay_spool_open_recipients",] == 0
    assert after["relay_spool_used_bytes",] + after["relay_spool_free_bytes",] <= after["relay_spool_file_bytes",]
    assert after["relay_sessions_total", ("protocol", "smtp")] >= 1
    assert after["relay_sessions_open", ("protocol", "http")] >= 1
    assert after["relay_process_resident_memory_bytes",] > 1e6
    assert after["relay_process_start_time_seconds",] > 1.7e9
    wait_until(lambda: scrape(relay)["relay_spool_in_flight_noted",] == 0, "the ledger is empty")
    assert scrape(relay)["relay_spool_in_flight_uncovered_total",] == 0


def test_over_http_from_loopback_in_the_right_form(pair):
    relay, _ = pair
    answer, body = read(http.client.HTTPConnection("127.0.0.1", relay.http, timeout=60))
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert {key[0] for key in samples(body)} == {key[0] for key in scrape(relay)}


def test_only_those_allowed_may_read(tmp_path):
    sink = Sink(tmp_path)
    relay = Relay(tmp_path, sink.port)
    relay.stop()
    relay.config.write_text(relay.config.read_text().replace("http:\n", "http:\n  metrics_from: [192.0.2.0/24]\n"))
    relay.start()
    answer, body = read(http.client.HTTPConnection("127.0.0.1", relay.http, timeout=60))
    assert answer.status == 403 and json.loads(body)["code"] == "forbidden"
    assert scrape(relay)
    relay.stop()
    sink.stop()
