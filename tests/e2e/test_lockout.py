"""Failed authentications: late answers, lock-outs of clients and of accounts, over SMTP and HTTP, and lifting them."""

import base64
import json
import smtplib
import socket
import ssl
import subprocess
import time

import pytest
from harness import Relay, wait_until


class GuardedRelay(Relay):
    CONFIG = Relay.CONFIG.replace("http:\n", """\
  guard: {{failures_before_delay: 2, longest_delay: 1s, failures_before_lockout: 4, lockout_time: 1h}}
http:
""", 1)


@pytest.fixture
def guarded(tmp_path, sink):
    made = GuardedRelay(tmp_path, sink.port)
    yield made
    made.stop()


def connect(relay, address):
    client = smtplib.SMTP("localhost", relay.starttls, timeout=60, source_address=(address, 0))
    client.starttls(context=ssl.create_default_context(cafile=str(relay.certificate)))
    client.ehlo()
    return client


def auth(relay, address, user, password):
    """The answer to one AUTH, on a connection of its own."""
    with connect(relay, address) as client:
        word = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        code, text = client.docmd("AUTH", "PLAIN " + word)
        return code, text.decode()


def get(relay, address, key):
    done = subprocess.run(["curl", "-sS", "-i", "--interface", address, "-H", f"Authorization: Bearer {key}",
                           f"http://127.0.0.1:{relay.http}/v1/messages"], capture_output=True, text=True, timeout=60)
    head, _, body = done.stdout.partition("\n\n")
    return int(head.split()[1]), head.lower(), json.loads(body)


def test_a_client_is_answered_late_and_then_locked_out(guarded):
    for _ in range(2):
        assert auth(guarded, "127.0.0.2", "nobody", "wrong")[0] == 535
    for _ in range(2):
        begun = time.monotonic()
        assert auth(guarded, "127.0.0.2", "nobody", "wrong")[0] == 535
        assert time.monotonic() - begun >= 1
    code, text = auth(guarded, "127.0.0.2", guarded.key_id, guarded.key)  # right, and not looked at
    assert code == 454 and text.startswith("4.7.0 Too many failed authentications from your address; temporarily "
                                           "locked out until 20"), text
    status, head, problem = get(guarded, "127.0.0.2", guarded.key)
    assert status == 429 and problem["code"] == "locked_out" and "retry-after: 3" in head
    assert auth(guarded, "127.0.0.3", guarded.key_id, guarded.key)[0] == 235
    assert get(guarded, "127.0.0.3", guarded.key)[0] == 200

    entries = {(e["kind"], e["subject"]) for e in guarded.ctl_json("lockout", "list")["data"]}
    assert entries == {("address", "127.0.0.2"), ("account", "nobody")}
    assert guarded.ctl("lockout", "lift", "127.0.0.9", check=False).returncode == 1
    assert guarded.ctl("lockout", "lift", "127.0.0.2").stdout == "1 lock-out lifted.\n"
    assert auth(guarded, "127.0.0.2", guarded.key_id, guarded.key)[0] == 235
    assert guarded.ctl("lockout", "lift", "--all").stdout == "1 lock-out lifted.\n"
    assert guarded.ctl("lockout", "list").stdout == "Nobody is locked out.\n"

    metrics = guarded.get("/metrics")
    assert 'relay_auth_failures_total{protocol="smtp"} 4' in metrics
    assert 'relay_auth_lockouts_total{kind="address"} 1' in metrics
    assert 'relay_auth_refused_total{protocol="http"} 1' in metrics
    log = guarded.process.log.read_text()
    assert log.count('the address "127.0.0.2" is locked out until') == 1
    assert "wrong" not in log and guarded.key not in log


def test_an_account_cannot_be_locked_out_for_those_who_use_it(guarded):
    assert auth(guarded, "127.0.0.2", "default", guarded.key)[0] == 235
    for host in range(10, 14):  # by id and by account, by SMTP and HTTP: one account
        if host < 12:
            assert auth(guarded, f"127.0.0.{host}", "default", "wrong")[0] == 535
        elif host < 13:
            assert auth(guarded, f"127.0.0.{host}", guarded.key_id, "wrong")[0] == 535
        else:
            assert get(guarded, f"127.0.0.{host}", f"rk_{guarded.key_id.removeprefix('rk_')}_{'a' * 32}")[0] == 401
    assert [e["subject"] for e in guarded.ctl_json("lockout", "list")["data"]] == ["default"]
    code, text = auth(guarded, "127.0.0.20", "default", guarded.key)
    assert code == 454 and "for this account" in text
    assert get(guarded, "127.0.0.20", guarded.key)[0] == 429
    assert auth(guarded, "127.0.0.2", "default", guarded.key)[0] == 235
    assert get(guarded, "127.0.0.2", guarded.key)[0] == 200
    # Neither is it after a restart.
    guarded.kill()
    guarded.start()
    for host in range(10, 14):
        assert auth(guarded, f"127.0.0.{host}", "default", "wrong")[0] == 535
    assert auth(guarded, "127.0.0.20", "default", guarded.key)[0] == 454
    assert auth(guarded, "127.0.0.2", "default", guarded.key)[0] == 235


def test_who_shares_an_address_with_one_who_guesses_goes_on(guarded):
    assert auth(guarded, "127.0.0.2", "default", guarded.key)[0] == 235
    for _ in range(4):
        assert auth(guarded, "127.0.0.2", "somebody", "wrong")[0] == 535
    assert auth(guarded, "127.0.0.2", "somebody", "wrong")[0] == 454
    assert auth(guarded, "127.0.0.2", "default", guarded.key)[0] == 235
    assert get(guarded, "127.0.0.2", guarded.key)[0] == 200
    with connect(guarded, "127.0.0.2") as client:  # a session that goes on all the same is ended
        word = "AUTH PLAIN " + base64.b64encode(b"\0somebody\0wrong").decode()
        assert [client.docmd(word)[0] for _ in range(3)] == [454] * 3
        assert client.getreply()[0] == 421
    assert 'relay_auth_refused_total{protocol="smtp"} 4' in guarded.get("/metrics")


def test_a_key_given_in_a_wrong_place_is_not_logged(guarded):
    secret = guarded.key.rpartition("_")[2]
    for user in (guarded.key, "default:" + guarded.key, " " + guarded.key, secret, f"default {secret}"):
        guarded.ctl("lockout", "lift", "--all")
        assert auth(guarded, "127.0.0.2", user, "x")[0] == 535
    shown = guarded.ctl("lockout", "list").stdout + guarded.process.log.read_text()
    assert shown.count("failed to authenticate as") == 5 and secret not in shown


def test_a_client_that_leaves_before_its_late_answer_is_not_waited_for(guarded):
    for _ in range(2):
        auth(guarded, "127.0.0.2", "u", "wrong")
    client = connect(guarded, "127.0.0.2")
    client.send("AUTH PLAIN " + base64.b64encode(b"\0u\0wrong").decode() + "\r\n")
    wait_until(lambda: guarded.process.log.read_text().count("failed to authenticate") == 3, "the failure is counted")
    client.sock.shutdown(socket.SHUT_RDWR)
    client.close()
    # The late answer of the next, begun after it, comes after that of the one that has left would have.
    assert auth(guarded, "127.0.0.2", "u", "wrong")[0] == 535
    assert auth(guarded, "127.0.0.3", guarded.key_id, guarded.key)[0] == 235
