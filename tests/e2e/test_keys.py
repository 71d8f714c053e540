"""What an API key may do: limits given and changed by relayctl, kept over SMTP and HTTP alike."""

import base64
import contextlib
import json
import smtplib
import ssl
import subprocess

import pytest

from harness import Relay, Sink, wait_until


def make_key(relay, *limits):
    made = relay.ctl_json("key", "create", *limits)
    return made["id"], made["key"]


@contextlib.contextmanager
def session(relay, trusting, key):
    with smtplib.SMTP("localhost", relay.starttls, timeout=60) as client:
        client.starttls(context=trusting)
        client.login(*key)
        yield client


def content(sender):
    return f"From: A <{sender}>\r\nSubject: x\r\n\r\nx\r\n".encode()


def refused(client, sender, written_by=None, recipients=("r@example.net",)):
    with pytest.raises(smtplib.SMTPException) as raised:
        client.sendmail(sender, list(recipients), content(written_by or sender))
    error = raised.value
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return next(iter(error.recipients.values()))
    return error.smtp_code, error.smtp_error


def post(relay, key, sender):
    body = json.dumps({"from": sender, "to": "r@example.net", "text": "x"})
    done = subprocess.run(["curl", "-sS", "-i", f"http://127.0.0.1:{relay.http}/v1/messages", "-H",
                           f"Authorization: Bearer {key[1]}", "-H", "Content-Type: application/json", "-d", body],
                          capture_output=True, text=True, check=True, timeout=60)
    head, _, answer = done.stdout.replace("\r\n", "\n").partition("\n\n")
    return int(head.split()[1]), head, json.loads(answer)


def test_senders(relay, trusting):
    key = make_key(relay, "--domain", "example.com", "--domain", "*.example.org")
    with session(relay, trusting, key) as client:
        client.sendmail("a@example.com", ["r@example.net"], content("a@sub.example.org"))
        code, text = refused(client, "a@example.net")
        assert (code, text) == (550, b"5.7.1 This key may not send as example.net, only as example.com or *.example.org; "
                                     b"use such a sender address or ask for the domain to be added")
        code, text = refused(client, "a@example.com", "b@example.net")
        assert code == 550 and b"use such a From address" in text
        client.sendmail("", ["r@example.net"], content("a@example.com"))
    status, _, answer = post(relay, key, "a@example.net")
    assert (status, answer["code"]) == (403, "sender_not_allowed")
    assert post(relay, key, "a@example.com")[0] == 202


def test_networks(relay, trusting):
    key = make_key(relay, "--network", "198.51.100.0/24")
    with pytest.raises(smtplib.SMTPAuthenticationError) as raised, session(relay, trusting, key):
        pass
    assert raised.value.smtp_code == 550 and b"may not be used from 127.0.0.1" in raised.value.smtp_error
    status, _, answer = post(relay, key, "a@example.com")
    assert (status, answer["code"]) == (403, "address_not_allowed")
    relay.ctl("key", "set", key[0], "--network", "127.0.0.0/8", "--network", "::1")
    with session(relay, trusting, key) as client:
        client.sendmail("a@example.com", ["r@example.net"], content("a@example.com"))


def test_size_and_recipients(relay, trusting):
    key = make_key(relay, "--size", "1000", "--recipients", "2")
    with session(relay, trusting, key) as client:
        client.ehlo()
        assert client.esmtp_features["size"] == "1000"
        with pytest.raises(smtplib.SMTPSenderRefused) as raised:
            client.sendmail("a@example.com", ["r@example.net"], b"x" * 2000)
        assert raised.value.smtp_code == 552
        left = client.sendmail("a@example.com", [f"r{i}@example.net" for i in range(3)], content("a@example.com"))
        assert left["r2@example.net"][0] == 452
        # An open session is kept to what is set meanwhile.
        relay.ctl("key", "set", key[0], "--size", "none", "--recipients", "none")
        client.sendmail("a@example.com", [f"r{i}@example.net" for i in range(3)],
                        content("a@example.com") + b"x" * 2000)


def test_rate(relay, trusting):
    key = make_key(relay, "--rate", "0.001", "--burst", "2")
    with session(relay, trusting, key) as client:
        client.sendmail("a@example.com", ["r@example.net"], content("a@example.com"))
        assert post(relay, key, "a@example.com")[0] == 202
        code, text = refused(client, "a@example.com")
        assert code == 451 and text.startswith(b"4.7.1 This key may send 0.001 messages a second, 2 at once; try again")
        status, head, answer = post(relay, key, "a@example.com")
        assert (status, answer["code"]) == (429, "rate_limited")
        assert 900 < int(head.lower().partition("retry-after: ")[2].split()[0]) <= 1000
        relay.ctl("key", "set", key[0], "--rate", "none")
        client.sendmail("a@example.com", ["r@example.net"], content("a@example.com"))
    assert "rate_limit" in relay.get("/metrics")


def test_a_message_that_was_accepted_is_answered_again_when_the_day_is_used_up(relay, trusting, token):
    key = make_key(relay, "--account", token, "--daily", "2")

    def send(client, fields=""):
        client.ehlo_or_helo_if_needed()
        for command, expected in (("MAIL FROM:<a@example.com>", 250), ("RCPT TO:<r@example.net>", 250), ("DATA", 354)):
            code, text = client.docmd(command)
            if code != expected:
                return code, text.decode()
        client.send(fields.encode() + content("a@example.com") + b".\r\n")
        code, text = client.getreply()
        return code, text.decode()

    keyed = f"X-Relay-Idempotency-Key: {token}\r\n"
    with session(relay, trusting, key) as client:
        first = send(client, keyed)
        assert first[0] == 250 and send(client)[0] == 250
        assert send(client)[0] == 452
        assert send(client, keyed) == first
        assert send(client, keyed + "X-Relay-Sandbox: yes\r\n")[0] == 452  # another one
    relay.wait_empty()
    relay.kill()
    relay.start()
    with session(relay, trusting, key) as client:
        assert send(client, keyed) == first
        assert send(client)[0] == 452


def test_sizes_are_written_as_in_the_configuration(relay):
    key = make_key(relay, "--size", "25MB")
    assert relay.ctl_json("key", "show", key[0])["policy"]["message_bytes"] == 25_000_000
    assert "Size        25MB\n" in relay.ctl("key", "show", key[0]).stdout


def test_the_day_survives_a_kill(tmp_path):
    with contextlib.ExitStack() as stack:
        sink = Sink.made(tmp_path / "sink", stack)
        relay = Relay(tmp_path, sink.port)
        stack.callback(relay.kill)
        trusting = ssl.create_default_context(cafile=relay.certificate)
        key = make_key(relay, "--daily", "3")

        def send():
            with session(relay, trusting, key) as client:
                client.sendmail("a@example.com", ["r@example.net"], content("a@example.com"))

        send()
        send()
        relay.kill()
        relay.start()
        assert relay.ctl_json("key", "show", key[0])["messages_today"] == 2
        send()
        with session(relay, trusting, key) as client:
            code, text = refused(client, "a@example.com")
        assert code == 452 and text.startswith(b"4.7.1 This key may send 3 messages a day, and has; try again in ")
        relay.ctl("key", "set", key[0], "--daily", "4")
        send()


def test_a_revoked_key_ends_with_the_next_message(relay, trusting):
    key = make_key(relay)
    with session(relay, trusting, key) as client:
        client.sendmail("a@example.com", ["r@example.net"], content("a@example.com"))
        relay.ctl("key", "revoke", key[0])
        assert refused(client, "a@example.com")[0] == 550


def test_sessions_at_once(relay, trusting):
    key = make_key(relay, "--sessions", "2")
    with session(relay, trusting, key), session(relay, trusting, key) as second:
        with smtplib.SMTP("localhost", relay.starttls, timeout=60) as third:
            third.starttls(context=trusting)
            third.ehlo()
            code, text = third.docmd("AUTH", "PLAIN " + base64.b64encode(f"\0{key[0]}\0{key[1]}".encode()).decode())
            assert (code, text) == (454, b"4.7.0 This key has 2 sessions already, as many as it may have; use them or end "
                                         b"one")
            second.quit()
            wait_until(lambda: third.docmd("AUTH", "PLAIN " + base64.b64encode(
                f"\0{key[0]}\0{key[1]}".encode()).decode())[0] == 235, "the place is free again")
            third.sendmail("a@example.com", ["r@example.net"], content("a@example.com"))
