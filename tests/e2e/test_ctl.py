"""relayctl and the HTTP API against a queue that cannot deliver, then can."""

import json
import smtplib
import subprocess
import urllib.error
import urllib.request

import pytest
from harness import BIN, Relay, Sink, wait_until


@pytest.fixture
def stuck(tmp_path):
    """A relay whose sink is down, with one message to two recipients that has been tried once."""
    sink = Sink(tmp_path)
    sink.stop()
    relay = Relay(tmp_path, sink.port, retry_first="1h")
    with smtplib.SMTP("localhost", relay.starttls, timeout=60) as client:
        client.starttls()
        client.login(relay.key_id, relay.key)
        client.mail("s@example.org")
        client.rcpt("a@example.net")
        client.rcpt("b@example.com")
        code, text = client.data(b"From: s@example.org\r\nSubject: stuck\r\n\r\nhi\r\n")
    assert code == 250
    message = text.decode().rpartition("queued as ")[2].strip()
    wait_until(lambda: all(r["attempts"] > 0 for r in relay.ctl_json("message", "show", message)["recipients"]),
               "both recipients were tried")
    yield relay, sink, message
    relay.stop()
    if sink.process.alive():
        sink.stop()


def test_why_says_what_happened_and_when_it_goes_on(stuck):
    relay, _, message = stuck
    why = relay.ctl("why", message).stdout
    assert "connection refused" in why.lower()
    assert "a@example.net" in why and "next attempt" in why.lower()
    assert json.loads(relay.ctl("why", message, "--json").stdout)


def test_queue_list_and_retry(stuck):
    relay, sink, message = stuck
    listed = relay.ctl("queue", "list").stdout
    assert message in listed and "a@example.net" in listed and "b@example.com" in listed
    only = relay.ctl_json("queue", "list", "--domain", "example.com")
    assert [row["address"] for row in only["data"]] == ["b@example.com"]
    sink.start()
    relay.ctl("queue", "retry", message)
    relay.wait_empty()
    assert sorted(r for m in sink.messages() for r in m.recipients) == ["a@example.net", "b@example.com"]
    assert relay.ctl_json("message", "show", message)["status"] == "delivered"


def test_hold_survives_a_restart_and_release_delivers(stuck):
    relay, sink, message = stuck
    relay.ctl("queue", "hold", message)
    sink.start()
    relay.stop()
    relay.start()
    assert {row["status"] for row in relay.ctl_json("queue", "list")["data"]} == {"held"}
    relay.ctl("queue", "retry", "--domain", "example.net", check=False)
    relay.ctl("queue", "release", message)
    relay.wait_empty()
    assert len({r for m in sink.messages() for r in m.recipients}) == 2


def test_cancel_is_final(stuck):
    relay, sink, message = stuck
    relay.ctl("queue", "cancel", "--domain", "example.com")
    sink.start()
    relay.ctl("queue", "retry", "--all")
    relay.wait_empty()
    assert [r for m in sink.messages() for r in m.recipients] == ["a@example.net"]
    states = {r["address"]: r["status"] for r in relay.ctl_json("message", "show", message)["recipients"]}
    assert states == {"a@example.net": "delivered", "b@example.com": "cancelled"}


def test_keys_are_shown_once_and_can_be_revoked(stuck):
    relay, _, _ = stuck
    made = relay.ctl_json("key", "create", "--account", "shop", "--label", "second")
    listed = relay.ctl("key", "list", "--json").stdout
    assert made["id"] in listed and made["key"] not in listed
    assert get(relay, "/v1/messages", made["key"])[0] == 200
    relay.ctl("key", "revoke", made["id"])
    assert get(relay, "/v1/messages", made["key"])[0] == 401
    with smtplib.SMTP("localhost", relay.starttls, timeout=60) as client:
        client.starttls()
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login(made["id"], made["key"])


def test_an_account_sees_only_its_own(stuck):
    relay, _, message = stuck
    other = relay.ctl_json("key", "create", "--account", "other", "--label", "x")["key"]
    assert get(relay, f"/v1/messages/{message}", relay.key)[0] == 200
    assert get(relay, f"/v1/messages/{message}", other)[0] == 404
    assert get(relay, "/v1/messages", other)[1]["data"] == []


def test_errors_are_sentences_with_exit_codes(stuck):
    relay, _, _ = stuck
    unknown = relay.ctl("message", "show", "msg_00000000000000000000000000", check=False)
    assert unknown.returncode == 1 and unknown.stderr.strip()
    assert relay.ctl("queue", "cancel", check=False).returncode == 2
    relay.stop()
    gone = relay.ctl("queue", "list", check=False)
    assert gone.returncode == 3 and "relayd" in gone.stderr
    relay.start()


def test_a_configuration_is_checked_with_its_files(stuck):
    relay, _, _ = stuck
    check = [BIN / "relayd", "--check-config", "--config", relay.config]
    assert subprocess.run(check, capture_output=True).returncode == 0
    relay.certificate.rename(relay.dir / "elsewhere")
    bad = subprocess.run(check, capture_output=True, text=True)
    assert bad.returncode == 1 and "cert.pem" in bad.stderr and len(bad.stderr.splitlines()) == 1
    (relay.dir / "elsewhere").rename(relay.certificate)


def get(relay, path, key):
    request = urllib.request.Request(f"http://127.0.0.1:{relay.http}{path}", headers={"Authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        assert error.headers["Content-Type"] == "application/problem+json"
        return error.code, json.load(error)
