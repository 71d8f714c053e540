"""Python's smtplib: contents compared byte for byte."""

import base64
import hashlib
import os
import smtplib

import pytest


def connect(relay, trusting):
    client = smtplib.SMTP("localhost", relay.starttls, timeout=60)
    client.starttls(context=trusting)
    client.login(relay.key_id, relay.key)
    return client


def header(token):
    return (f"From: sender@example.org\r\nTo: r@example.net\r\nSubject: {token}\r\n"
            f"Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{token}@example.org>\r\n\r\n").encode()


BODIES = {
    "plain": b"hello\r\n",
    "empty": b"",
    "leading dots": b".\r\n..\r\n.a\r\n...\r\n\r\n.\r\nend .\r\n.\r\n",
    "eight bit": bytes(range(0x80, 0x100)) + b"\r\n" + "grüße 漢字\r\n".encode(),
    "long line of 998": b"x" * 998 + b"\r\n",
    "longer lines than allowed": b"y" * 5000 + b"\r\n" + b"." * 3000 + b"\r\n",
    "control characters": bytes(c for c in range(1, 32) if c not in (10, 13)) + b"\x7f\r\n",
    "only empty lines": b"\r\n" * 50,
    "dots across blocks": (b"z" * 61 + b"\r\n." + b"\r\n") * 5000,
}


@pytest.mark.parametrize("name", BODIES)
def test_content_is_passed_byte_for_byte(relay, sink, trusting, token, name):
    content = header(token) + BODIES[name]
    with connect(relay, trusting) as client:
        client.sendmail("sender@example.org", ["r@example.net"], content)
    (message,) = sink.wait_for(token)
    assert message.content.endswith(b"\r\n" + content)
    added = message.content[: -len(content)]
    assert added.startswith(b"Received: from ") and b"relay.test" in added and b"ESMTPSA" in added
    assert b"\nDate:" not in added and b"\nMessage-ID:" not in added
    assert message.reverse_path == "sender@example.org"
    assert message.recipients == ["r@example.net"]


def test_date_and_message_id_are_added_when_missing(relay, sink, trusting, token):
    content = f"From: sender@example.org\r\nSubject: {token}\r\n\r\nhello\r\n".encode()
    with connect(relay, trusting) as client:
        client.sendmail("sender@example.org", ["r@example.net"], content)
    (message,) = sink.wait_for(token)
    names = [line.split(b":")[0] for line in message.header.split(b"\r\n") if line[:1] not in b" \t"]
    assert names.count(b"Date") == 1 and names.count(b"Message-ID") == 1 and names[0] == b"Received"
    assert message.content.endswith(content)


def test_a_hundred_recipients(relay, sink, trusting, token):
    wanted = [f"user{i}@example{i % 7}.net" for i in range(100)]
    with connect(relay, trusting) as client:
        assert client.sendmail("sender@example.org", wanted, header(token) + b"to many\r\n") == {}
    relay.wait_empty()
    got = [r for m in sink.wait_for(token) for r in m.recipients]
    assert sorted(got) == sorted(wanted)


def test_an_attachment_of_ten_megabytes(relay, sink, trusting, token):
    lines = base64.encodebytes(os.urandom(10 << 20)).replace(b"\n", b"\r\n")
    content = header(token).replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n") + lines
    with connect(relay, trusting) as client:
        client.sendmail("sender@example.org", ["r@example.net"], content)
    (message,) = sink.wait_for(token)
    assert hashlib.sha256(message.body).digest() == hashlib.sha256(lines).digest()


def test_smtputf8_addresses_and_subject(relay, sink, trusting, token):
    content = header(token).replace(b"Subject: ", "Subject: Grüße 漢字 ".encode()) + b"hi\r\n"
    with connect(relay, trusting) as client:
        client.sendmail("absender@example.org", ["jürgen@example.net"], content,
                        mail_options=["SMTPUTF8", "BODY=8BITMIME"])
    (message,) = sink.wait_for(token)
    assert message.recipients == ["jürgen@example.net"]
    assert message.content.endswith(content)


def test_many_messages_on_one_connection(relay, sink, trusting, token):
    with connect(relay, trusting) as client:
        for i in range(50):
            client.sendmail("sender@example.org", [f"r{i}@example.net"], header(token) + f"number {i}.\r\n".encode())
    found = sink.wait_for(token, 50)
    assert sorted(m.body for m in found) == sorted(f"number {i}.\r\n".encode() for i in range(50))


def test_implicit_tls(relay, sink, trusting, token):
    with smtplib.SMTP_SSL("localhost", relay.implicit, context=trusting, timeout=60) as client:
        client.login(relay.key_id, relay.key)
        client.sendmail("sender@example.org", ["r@example.net"], header(token) + b"hi\r\n")
    sink.wait_for(token)


def test_the_account_is_a_user_name_too(relay, sink, trusting, token):
    account = next(k for k in relay.ctl_json("key", "list")["data"] if k["id"] == relay.key_id)["account"]
    with smtplib.SMTP("localhost", relay.starttls, timeout=60) as client:
        client.starttls(context=trusting)
        client.user, client.password = account, relay.key
        client.ehlo()
        client.auth("PLAIN", client.auth_plain)
        client.sendmail("sender@example.org", ["r@example.net"], header(token) + b"hi\r\n")
    sink.wait_for(token)


def test_login_mechanism(relay, sink, trusting, token):
    with smtplib.SMTP("localhost", relay.starttls, timeout=60) as client:
        client.starttls(context=trusting)
        client.user, client.password = relay.key_id, relay.key
        client.ehlo()
        client.auth("LOGIN", client.auth_login)
        client.sendmail("sender@example.org", ["r@example.net"], header(token) + b"hi\r\n")
    sink.wait_for(token)


def test_relaying_without_authentication_is_refused(relay, trusting):
    with smtplib.SMTP("localhost", relay.starttls, timeout=60) as client:
        client.ehlo()
        assert "auth" not in client.esmtp_features  # never offered in clear
        assert client.mail("a@example.org")[0] == 530
        assert client.rcpt("b@example.net")[0] in (503, 530)
        assert client.docmd("DATA")[0] in (503, 530)
        client.starttls(context=trusting)
        client.ehlo()
        assert client.mail("a@example.org")[0] == 530


def test_credentials_in_clear_are_refused_and_wrong_ones_fail(relay, trusting):
    with smtplib.SMTP("localhost", relay.starttls, timeout=60) as client:
        client.ehlo()
        assert client.docmd("AUTH", "PLAIN " + base64.b64encode(b"\0a\0b").decode())[0] in (502, 503, 530, 538)
        client.starttls(context=trusting)
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login(relay.key_id, relay.key[:-1] + ("0" if relay.key[-1] != "0" else "1"))
        with pytest.raises((smtplib.SMTPAuthenticationError, smtplib.SMTPServerDisconnected)):
            client.login("somebody else", relay.key)
