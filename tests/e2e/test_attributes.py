"""What a client says in X-Relay-* fields: read, kept, shown, obeyed, and never sent on."""

import datetime
import smtplib

import pytest

from harness import wait_until


def connect(relay, trusting):
    client = smtplib.SMTP("localhost", relay.starttls, timeout=60)
    client.starttls(context=trusting)
    client.login(relay.key_id, relay.key)
    return client


def send(client, token, fields="", recipients=("r@example.net",), options=()):
    """The answer to the content: code and text."""
    content = f"From: sender@example.org\r\n{fields}Subject: {token}\r\n\r\nhello\r\n".encode()
    client.ehlo_or_helo_if_needed()
    assert client.mail("sender@example.org", options)[0] == 250
    for recipient in recipients:
        assert client.rcpt(recipient)[0] == 250
    code, text = client.data(content)
    return code, text.decode()


def accepted(answer):
    code, text = answer
    assert code == 250 and text.startswith("2.0.0 Ok: queued as msg_"), answer
    return text.split()[-1]


def in_hours(hours):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=hours)
    return at.isoformat(timespec="seconds")


def test_the_fields_are_kept_with_the_message_and_taken_out_of_it(relay, sink, trusting, token):
    fields = ("X-Relay-Tag: welcome,\r\n =?utf-8?q?gr=C3=BCn?=\r\nX-Relay-Metadata-Order: 17\r\n"
              "x-relay-stream: bulk\r\nX-Relay-Tag: third\r\n")
    with connect(relay, trusting) as client:
        id = accepted(send(client, token, fields))
    (message,) = sink.wait_for(token)
    assert b"x-relay" not in message.content.lower()
    assert message.content.endswith(f"From: sender@example.org\r\nSubject: {token}\r\n\r\nhello\r\n".encode())
    shown = relay.ctl_json("message", "show", id)
    assert shown["tags"] == ["welcome", "grün", "third"]
    assert shown["metadata"] == {"order": "17"}
    assert shown["stream"] == "bulk" and shown["sandbox"] is False and shown["scheduled_at"] is None
    said = relay.ctl("message", "show", id).stdout
    assert "Metadata    order: 17" in said and "Stream      bulk" in said


@pytest.mark.parametrize("field, answer", [
    ("X-Relay-Stream: fast", "5.6.0 X-Relay-Stream must be transactional or bulk"),
    ("X-Relay-Sandbox: maybe", "5.6.0 X-Relay-Sandbox must be true or false"),
    ("X-Relay-Tags: a", "5.6.0 X-Relay-Tags is not a field this relay knows; it knows X-Relay-Tag,"),
    ("X-Relay-Scheduled-At: 2199-01-01T00:00:00Z", "5.6.0 The message is scheduled for 2199-01-01T00:00:00.000Z;"),
])
def test_a_wrong_field_refuses_the_message(relay, trusting, token, field, answer):
    with connect(relay, trusting) as client:
        code, text = send(client, token, field + "\r\n")
    assert code == 554 and text.startswith(answer)


def test_a_second_submission_with_the_same_key_is_the_first(relay, sink, trusting, token):
    key = f"X-Relay-Idempotency-Key: {token}\r\n"
    with connect(relay, trusting) as client:
        first = accepted(send(client, token, key))
        assert accepted(send(client, token, key)) == first
        assert accepted(send(client, token, f"X-Relay-Idempotency-Key: {token}+\r\n")) != first
    relay.wait_empty()  # so that the crash repeats no delivery
    relay.kill()
    relay.start()
    with connect(relay, trusting) as client:
        assert accepted(send(client, token, key)) == first
    relay.wait_empty()
    assert len(sink.wait_for(token, 2)) == 2


def test_a_scheduled_message_waits_is_shown_and_can_be_cancelled(relay, sink, trusting, token):
    at = in_hours(3)
    with connect(relay, trusting) as client:
        late = accepted(send(client, token, f"X-Relay-Scheduled-At: {at}\r\n"))
        now = accepted(send(client, token, f"X-Relay-Scheduled-At: {at}\r\n"))
        past = accepted(send(client, token, "X-Relay-Scheduled-At: Sat, 21 Nov 2020 09:18:00 +0100\r\n"))
    assert len(sink.wait_for(token)) == 1
    relay.stop()
    relay.start()
    assert relay.ctl_json("message", "show", past)["scheduled_at"] is None
    shown = relay.ctl_json("message", "show", late)
    moment = datetime.datetime.fromisoformat(at).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    assert shown["scheduled_at"] == moment == shown["recipients"][0]["next_attempt_at"]
    assert relay.ctl("why", late).stdout.count(f"Scheduled for {moment}, in ") == 1
    rows = {row["message"]: row for row in relay.ctl_json("queue", "list")["data"]}
    assert rows[late]["scheduled_at"] == moment == rows[late]["next_attempt_at"]
    relay.ctl("queue", "cancel", late)
    relay.ctl("queue", "retry", now)
    assert relay.ctl_json("message", "show", late)["status"] == "cancelled"
    wait_until(lambda: relay.ctl_json("message", "show", now)["status"] == "delivered", "it is sent at once")
    relay.wait_empty()
    assert len(sink.wait_for(token, 2)) == 2


def test_a_sandbox_message_is_delivered_nowhere(relay, sink, trusting, token):
    with connect(relay, trusting) as client:
        sandbox = accepted(send(client, token + "-box", "X-Relay-Sandbox: yes\r\n", ["a@example.net", "b@example.com"]))
        accepted(send(client, token + "-real", "X-Relay-Sandbox: no\r\n"))
    sink.wait_for(token + "-real")
    shown = relay.ctl_json("message", "show", sandbox)
    assert shown["sandbox"] is True and shown["status"] == "delivered"
    assert [r["status"] for r in shown["recipients"]] == ["delivered"] * 2
    assert {e["detail"] for e in shown["events"] if e["type"] == "delivered"} == {
        "a sandbox message: nothing was sent"}
    assert "Sandbox     yes: nothing of it was sent" in relay.ctl("message", "show", sandbox).stdout
    assert not [m for m in sink.messages() if (token + "-box").encode() in m.content]
    assert relay.ctl("spool", "check").returncode == 0


def test_futurerelease_schedules_and_does_not_go_with_the_field(relay, trusting, token):
    with connect(relay, trusting) as client:
        client.ehlo()
        assert client.has_extn("futurerelease")
        id = accepted(send(client, token, options=["HOLDFOR=7200"]))
        code, text = send(client, token, f"X-Relay-Scheduled-At: {in_hours(1)}\r\n", options=["HOLDFOR=7200"])
    assert code == 554 and text.startswith("5.6.0 X-Relay-Scheduled-At and HOLDFOR or HOLDUNTIL of MAIL both say")
    shown = relay.ctl_json("message", "show", id)
    ahead = (datetime.datetime.fromisoformat(shown["scheduled_at"].replace("Z", "+00:00"))
             - datetime.datetime.fromisoformat(shown["created_at"].replace("Z", "+00:00")))
    assert abs(ahead.total_seconds() - 7200) < 60
    relay.ctl("queue", "cancel", id)
