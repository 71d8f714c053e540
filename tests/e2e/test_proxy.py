"""HAProxy in front of the relay: the client's own address counts, for PROXY headers of both versions."""

import contextlib
import smtplib
import socket
import ssl

import pytest
from harness import Process, Relay, Sink, accepts, free_port, run_client, wait_until

CLIENT = "127.0.0.2"  # what a client binds to, so that it is not the balancer's address


@pytest.fixture(scope="module")
def proxied(tmp_path_factory):
    """A relay that takes PROXY headers from 127.0.0.1, with HAProxy before it; ports by (version, listener)."""
    with contextlib.ExitStack() as stack:
        directory = tmp_path_factory.mktemp("proxied")
        sink = Sink.made(directory / "sinks", stack)

        class Proxied(Relay):
            CONFIG = Relay.CONFIG.replace("tls: starttls}}", "tls: starttls, proxy_from: [127.0.0.1]}}").replace(
                "tls: implicit}}", "tls: implicit, proxy_from: [127.0.0.1, \"2001:db8::/32\"]}}").replace(
                "port: {http}}}", "port: {http}, proxy_from: [127.0.0.1]}}").replace(
                "http:\n", "http:\n  metrics_from: [127.0.0.2]\n")

        relay = Proxied(directory, sink.port, extra="sessions: {proxy_timeout: 1s}\n")
        stack.callback(relay.kill)
        relay.sink = sink
        ports, config = {}, "global\n  maxconn 200\ndefaults\n  mode tcp\n"
        config += "  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n"
        for version, option in {1: "send-proxy", 2: "send-proxy-v2 proxy-v2-options crc32c,unique-id"}.items():
            for to in ("starttls", "implicit", "http"):
                port = ports[version, to] = free_port()
                config += (f"listen {to}{version}\n  bind 127.0.0.1:{port}\n  unique-id-format %{{+X}}o%ci\n"
                           f"  server relay 127.0.0.1:{getattr(relay, to)} {option}\n")
        (directory / "haproxy.cfg").write_text(config)
        balancer = Process(["haproxy", "-db", "-f", directory / "haproxy.cfg"], directory / "haproxy.log")
        stack.callback(balancer.kill)
        wait_until(lambda: all(map(accepts, ports.values())), "HAProxy listens")
        relay.ports = ports
        yield relay


def connect(relay, port, implicit, source):
    context = ssl.create_default_context(cafile=str(relay.certificate))
    if implicit:
        client = smtplib.SMTP_SSL("localhost", port, timeout=60, context=context, source_address=(source, 0),
                                  local_hostname="client.test")
    else:
        client = smtplib.SMTP("localhost", port, timeout=60, source_address=(source, 0), local_hostname="client.test")
        client.starttls(context=context)
    return client


@pytest.mark.parametrize("listener", ["starttls", "implicit"])
@pytest.mark.parametrize("version", [1, 2])
def test_received_field_and_log_have_the_clients_address(proxied, token, version, listener):
    with connect(proxied, proxied.ports[version, listener], listener == "implicit", CLIENT) as client:
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login(token, "wrong")
        client.login(proxied.key_id, proxied.key)
        client.sendmail("a@example.org", ["b@example.net"], f"Subject: {token}\r\n\r\nhello\r\n")
    (message,) = proxied.sink.wait_for(token)
    received = message.header.split(b"\r\nDate")[0]
    assert b"[127.0.0.2]" in received and b"127.0.0.1" not in received
    lines = [line for line in proxied.process.log.read_text().splitlines() if "failed to auth" in line and token in line]
    assert lines and all(CLIENT in line and "127.0.0.1" not in line for line in lines)


def test_http_counts_the_clients_address(proxied):
    for version in (1, 2):
        url = f"http://127.0.0.1:{proxied.ports[version, 'http']}/metrics"
        assert "relay_sessions_open" in run_client(["curl", "-sS", "--fail", "--interface", CLIENT, url])
        refused = run_client(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", url])
        assert refused == "403"  # metrics_from names the client and not the balancer


@pytest.mark.parametrize("listener", ["starttls", "implicit"])
def test_who_is_no_balancer_is_served_directly(proxied, token, listener):
    with connect(proxied, getattr(proxied, listener), listener == "implicit", "127.0.0.3") as client:
        assert client.docmd("PROXY TCP4 192.0.2.1 192.0.2.2 1 2")[0] == 500
        client.login(proxied.key_id, proxied.key)
        client.sendmail("a@example.org", ["b@example.net"], f"Subject: {token}\r\n\r\nhello\r\n")
    (message,) = proxied.sink.wait_for(token)
    assert b"[127.0.0.3]" in message.header


@pytest.mark.parametrize("said, why", [
    (b"EHLO client\r\n", "it does not begin as a PROXY header does"),
    (b"PROXY TCP4 ", "it was not there in time"),
])
@pytest.mark.parametrize("listener", ["starttls", "implicit", "http"])
def test_a_balancer_without_a_good_header_is_closed_and_named_in_the_log(proxied, listener, said, why):
    def lines():
        return [line for line in proxied.process.log.read_text().splitlines()
                if "from the balancer 127.0.0.1 is closed" in line and why in line]

    before = len(lines())
    with socket.create_connection(("127.0.0.1", getattr(proxied, listener)), timeout=30) as client:
        client.sendall(said)
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(100) == b""
    wait_until(lambda: len(lines()) > before, f"a log line: {why}")


@pytest.mark.parametrize("listener", ["starttls", "implicit", "http"])
def test_a_balancer_that_only_looks_whether_the_port_is_open_is_no_line_of_the_log(proxied, listener):
    def turned_away():
        return [line for line in proxied.get("/metrics").splitlines() if 'turned_away_total{' in line and "proxy" in line]

    log, before = len(proxied.process.log.read_text().splitlines()), turned_away()
    with socket.create_connection(("127.0.0.1", getattr(proxied, listener)), timeout=30) as client:
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b""
    with socket.create_connection(("127.0.0.1", getattr(proxied, listener)), timeout=30) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # as by RST
    with socket.create_connection(("127.0.0.1", getattr(proxied, listener)), timeout=30) as client:
        client.sendall(b"EHLO client\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(100) == b""
    wait_until(lambda: len(proxied.process.log.read_text().splitlines()) > log, "the log line of the last of them")
    lines = proxied.process.log.read_text().splitlines()[log:]
    assert len([line for line in lines if "the balancer" in line]) == 1, lines
    assert turned_away() != before


def test_bytes_behind_the_header_and_local_connections(proxied):
    local = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00"
    for header, status in ((local, b"403"), (b"PROXY TCP4 127.0.0.2 127.0.0.1 1 2\r\n", b"200")):
        with socket.create_connection(("127.0.0.1", proxied.http), timeout=30) as client:
            client.sendall(header + b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: client.recv(4096), b""))
        assert answer.startswith(b"HTTP/1.1 " + status), answer
