"""Clients that are not ours, each sending one varied message through the relay to the sink."""

import email
import email.policy
import hashlib
import json
import os
import shutil

import pytest
from harness import HERE, run_client

CONTENT = ("From: Absender <sender@example.org>\r\nTo: r@example.net\r\nSubject: {token}\r\n"
           "Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{token}@example.org>\r\n"
           "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
           ".leading dot\r\n..two\r\n.\r\nGrüße, 漢字\r\n" + "long " * 190 + "\r\nend\r\n")


def parsed(message):
    return email.message_from_bytes(message.content, policy=email.policy.default)


def random_file(directory, size):
    path = directory / "random.bin"
    path.write_bytes(os.urandom(size))
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("way", ["starttls", "implicit"])
def test_swaks(relay, sink, token, tmp_path, way):
    content = CONTENT.format(token=token).encode()
    data = tmp_path / "message"
    data.write_bytes(content.replace(b"\r\n", b"\n"))  # swaks makes CRLF of it
    ssl = ["--tls"] if way == "starttls" else ["--tls-on-connect"]
    log = run_client(["swaks", *ssl, "--server", "localhost", "--port", getattr(relay, way), "--auth", "PLAIN",
                      "--auth-user", relay.key_id, "--auth-password", relay.key, "--from", "sender@example.org",
                      "--to", "r@example.net,second@example.com", "--data", f"@{data}"])
    assert "queued as msg_" in log
    relay.wait_empty()
    found = sink.wait_for(token)
    assert sorted(r for m in found for r in m.recipients) == ["r@example.net", "second@example.com"]
    # swaks ends its data with an empty line of its own
    assert found[0].content.rstrip(b"\r\n").endswith(content.rstrip(b"\r\n"))


def test_msmtp(relay, sink, token, tmp_path):
    content = CONTENT.format(token=token).encode()
    run_client(["msmtp", "--host=localhost", f"--port={relay.starttls}", "--tls=on", "--tls-starttls=on",
                f"--tls-trust-file={relay.certificate}", "--auth=plain", f"--user={relay.key_id}",
                f"--passwordeval=echo {relay.key}", "--from=sender@example.org", "r@example.net"],
               stdin=content.replace(b"\r\n", b"\n"), env={"HOME": str(tmp_path)})
    (message,) = sink.wait_for(token)
    assert message.content.endswith(content)


def test_curl_smtp(relay, sink, token, tmp_path):
    content = CONTENT.format(token=token).encode()
    data = tmp_path / "message"
    data.write_bytes(content)
    run_client(["curl", "-sS", "--ssl-reqd", "--cacert", relay.certificate, f"smtp://localhost:{relay.starttls}",
                "--user", f"{relay.key_id}:{relay.key}", "--mail-from", "sender@example.org", "--mail-rcpt",
                "r@example.net", "--upload-file", data])
    (message,) = sink.wait_for(token)
    assert message.content.endswith(content)


def test_nodemailer(relay, sink, token, tmp_path):
    attachment, digest = random_file(tmp_path, 10 << 20)
    run_client(["node", HERE / "node" / "send.js"], env={
        "PORT": str(relay.starttls), "KEY_ID": relay.key_id, "KEY": relay.key, "CA": str(relay.certificate),
        "TOKEN": token, "ATTACHMENT": str(attachment)})
    (message,) = sink.wait_for(token)
    mail = parsed(message)
    assert message.recipients == ["r@example.net", "copy@example.net", "blind@example.net"]
    assert mail["Subject"] == f"Grüße aus Köln 漢字 {token}"
    assert mail["From"].addresses[0].display_name == "Jörg Absender"
    assert mail["Bcc"] is None
    assert mail.get_body(("plain",)).get_content().replace("\r\n", "\n").startswith(".leading dot\n..two\nÄpfel\n")
    assert "<b>Äpfel</b>" in mail.get_body(("html",)).get_content()
    (part,) = mail.iter_attachments()
    assert part.get_filename() == "Übersicht.bin"
    assert hashlib.sha256(part.get_content()).hexdigest() == digest


def test_phpmailer(relay, sink, token, tmp_path):
    attachment, digest = random_file(tmp_path, 1 << 20)
    run_client(["php", HERE / "php" / "send.php"], env={
        "PORT": str(relay.starttls), "KEY_ID": relay.key_id, "KEY": relay.key, "CA": str(relay.certificate),
        "TOKEN": token, "ATTACHMENT": str(attachment)})
    (message,) = sink.wait_for(token)
    mail = parsed(message)
    assert sorted(message.recipients) == ["blind@example.net", "r@example.net"]
    assert mail["Subject"] == f"Grüße {token}"
    assert ".leading dot" in mail.get_body(("plain",)).get_content()
    (part,) = mail.iter_attachments()
    assert hashlib.sha256(part.get_content()).hexdigest() == digest


def test_curl_http(relay, sink, token):
    answer = json.loads(run_client([
        "curl", "-sS", "--fail-with-body", f"http://127.0.0.1:{relay.http}/v1/messages", "-H",
        f"Authorization: Bearer {relay.key}", "-H", "Content-Type: application/json", "-d",
        json.dumps({"from": "Absender <sender@example.org>", "to": ["r@example.net"], "subject": f"Grüße {token}",
                    "text": ".leading dot\nÄpfel\n", "tags": ["welcome"]})]))
    assert answer["status"] == "queued" and answer["id"].startswith("msg_")
    assert answer["message"] == "Email accepted for delivery."
    relay.wait_empty()
    (message,) = [m for m in sink.messages() if token in str(parsed(m)["Subject"])]
    assert parsed(message)["Subject"] == f"Grüße {token}"
    assert parsed(message).get_content().replace("\r\n", "\n") == ".leading dot\nÄpfel\n"


def test_every_client_is_here():
    for program in ("swaks", "msmtp", "curl", "node", "php"):
        assert shutil.which(program), f"{program} is missing; ./check installs it"
