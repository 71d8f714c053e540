"""The HTTP side as an application sees it, by Python's http.client over one kept connection."""

import base64
import email
import email.policy
import hashlib
import http.client
import json
import os
import socket

import pytest


@pytest.fixture
def api(relay):
    connection = http.client.HTTPConnection("127.0.0.1", relay.http, timeout=60)

    def call(method, path, body=None, key=relay.key, raw=None):
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        if body is not None or raw is not None:
            headers["Content-Type"] = "application/json"
        connection.request(method, path, raw if raw is not None else body and json.dumps(body), headers)
        answer = connection.getresponse()
        content = answer.read()
        return answer.status, json.loads(content) if content else None

    yield call
    connection.close()


def test_a_message_with_everything(relay, sink, api, token):
    data = os.urandom(10 << 20)
    status, answer = api("POST", "/v1/messages", {
        "from": {"email": "sender@example.org", "name": "Jörg"}, "to": ["Ann <a@example.net>", {"email": "b@example.net"}],
        "cc": "c@example.net", "bcc": ["d@example.net"], "reply_to": "answers@example.org", "subject": f"Grüße {token}",
        "text": "Äpfel\n.\n..dots\n", "html": "<b>Äpfel</b><img src='cid:logo'>", "headers": {"X-Token": token},
        "tags": ["welcome", "test"],
        "attachments": [{"filename": "Übersicht.bin", "content": base64.b64encode(data).decode()},
                        {"filename": "logo.png", "content": base64.b64encode(b"png").decode(),
                         "content_type": "image/png", "content_id": "logo"}]})
    assert status == 202, answer
    relay.wait_empty()
    (message,) = sink.wait_for(f"X-Token: {token}")
    mail = email.message_from_bytes(message.content, policy=email.policy.default)
    assert message.reverse_path == "sender@example.org"
    assert message.recipients == ["a@example.net", "b@example.net", "c@example.net", "d@example.net"]
    assert mail["Bcc"] is None and mail["Reply-To"] == "answers@example.org" and mail["Subject"] == f"Grüße {token}"
    assert mail.get_body(("plain",)).get_content().replace("\r\n", "\n") == "Äpfel\n.\n..dots\n"
    parts = {p.get_filename(): p for p in mail.walk() if p.get_filename()}
    assert hashlib.sha256(parts["Übersicht.bin"].get_content()).digest() == hashlib.sha256(data).digest()
    assert parts["logo.png"]["Content-ID"] == "<logo>"

    status, view = api("GET", f"/v1/messages/{answer['id']}")
    assert status == 200 and view["status"] == "delivered"
    assert [r["status"] for r in view["recipients"]] == ["delivered"] * 4
    assert {"queued", "delivered"} <= {e["type"] for e in view["events"]}
    assert view["tags"] == ["welcome", "test"] and view["subject"] == f"Grüße {token}"
    status, page = api("GET", "/v1/messages?limit=1")
    assert status == 200 and len(page["data"]) == 1


def test_every_fault_is_named_at_once(api):
    status, problem = api("POST", "/v1/messages", {"from": "no address", "to": [], "subject": 7, "nonsense": 1})
    assert status == 422
    assert {"/from", "/to", "/subject", "/nonsense"} <= {e["pointer"] for e in problem["errors"]}
    assert problem["code"] and problem["request_id"]


@pytest.mark.parametrize("field, value", [
    ("subject", "a\r\nBcc: victim@example.com"), ("from", "a@example.org\r\nBcc: v@example.com"),
    ("to", "a@example.net\r\nRCPT TO:<v@example.com>"), ("headers", {"X-A": "b\r\nBcc: v@example.com"}),
    ("headers", {"X-A: b\r\nBcc": "v@example.com"}), ("headers", {"Bcc": "v@example.com"})])
def test_no_field_can_add_a_header_or_a_recipient(api, field, value):
    body = {"from": "a@example.org", "to": "b@example.net", "subject": "s", "text": "t", field: value}
    assert api("POST", "/v1/messages", body)[0] == 422


@pytest.mark.parametrize("key", [None, "", "rk_nonsense", "rk_000000000000_" + "0" * 32])
def test_without_a_good_key_nothing_happens(api, key):
    status, problem = api("POST", "/v1/messages", {"from": "a@example.org"}, key=key)
    assert status == 401 and problem["status"] == 401


@pytest.mark.parametrize("raw, status", [("{", 400), ('{"to":1,"to":2}', 400), ("[" * 10000, 400), ('"\xff"', 400)])
def test_what_is_no_json(api, raw, status):
    assert api("POST", "/v1/messages", raw=raw.encode("latin-1"))[0] == status


def test_unknown_paths_and_methods(api):
    assert api("GET", "/v1/nothing")[0] == 404
    assert api("DELETE", "/v1/messages")[0] == 405
    assert api("GET", "/v1/messages/msg_00000000000000000000000000")[0] == 404
    assert api("GET", "/admin/v1/queue")[0] == 404  # on the Unix socket only


@pytest.mark.parametrize("request_bytes", [
    b"GARBAGE\r\n\r\n", b"\0\0\0\0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n",
    b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100000 + b"\r\n\r\n"])
def test_malformed_http_is_answered_and_closed(relay, api, request_bytes):
    with socket.create_connection(("127.0.0.1", relay.http), timeout=60) as s:
        s.sendall(request_bytes)
        answer = b""
        while chunk := s.recv(65536):
            answer += chunk
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 413", b"HTTP/1.1 431"))
    assert api("GET", "/v1/messages")[0] == 200


def test_a_client_that_closes_its_half_still_gets_its_answer(relay):
    body = json.dumps({"from": "a@example.org", "to": "b@example.net", "subject": "half", "text": "t"}).encode()
    head = (f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {relay.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n")
    with socket.create_connection(("127.0.0.1", relay.http), timeout=60) as s:
        s.sendall(head.encode() + body)
        s.shutdown(socket.SHUT_WR)
        assert s.recv(65536).startswith(b"HTTP/1.1 202")


def test_connections_that_say_nothing_are_forgotten(relay, api):
    for i in range(3000):  # more than are allowed at once
        socket.create_connection(("127.0.0.1", (relay.http, relay.starttls, relay.implicit)[i % 3])).close()
    assert api("GET", "/v1/messages")[0] == 200
