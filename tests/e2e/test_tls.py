"""TLS of the listeners, with openssl s_client: versions, ciphers, certificates by name, new ones under open sessions, tickets."""

import os
import re
import signal
import smtplib
import ssl
import subprocess

import pytest
from harness import BIN, Relay, wait_until

OLD = "DEFAULT@SECLEVEL=0"  # so that s_client offers what is old at all


def make_certificate(directory, name, cn, names):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "90",
                    "-subj", f"/CN={cn}", "-addext", f"subjectAltName={names}", "-keyout", directory / f"{name}.key", "-out",
                    directory / f"{name}.pem"], check=True, capture_output=True)


def replace_certificate(directory, name, cn, names):
    """As renewal does: new files in place of the old, the certificate first."""
    make_certificate(directory, "new", cn, names)
    os.replace(directory / "new.pem", directory / f"{name}.pem")
    os.replace(directory / "new.key", directory / f"{name}.key")


class TlsRelay(Relay):
    CONFIG = Relay.CONFIG.replace("submission:", """\
  sni:
    - {{certificate: {dir}/shop.pem, key: {dir}/shop.key}}
    - {{certificate: {dir}/wild.pem, key: {dir}/wild.key}}
  check_interval: 1s
submission:""")


@pytest.fixture
def tls_relay(tmp_path, sink):
    make_certificate(tmp_path, "shop", "shop", "DNS:shop.example.com")
    make_certificate(tmp_path, "wild", "wild", "DNS:*.example.org")
    made = TlsRelay(tmp_path, sink.port)
    yield made
    made.stop()


WAYS = ("starttls", "implicit")


def s_client(relay, way, *options):
    """What s_client says of one connection, over at once. It fails if the handshake does."""
    argv = ["openssl", "s_client", "-connect", f"127.0.0.1:{getattr(relay, way)}", *options]
    if way == "starttls":
        argv += ["-starttls", "smtp"]
    done = subprocess.run([str(a) for a in argv], input=b"QUIT\r\n", capture_output=True, timeout=60)
    return done.returncode == 0 and b"Cipher is (NONE)" not in done.stdout, done.stdout.decode(errors="replace")


def shown(relay, name=None, way="implicit"):
    ok, says = s_client(relay, way, *(["-servername", name] if name else ["-noservername"]))
    assert ok, says
    return re.search(r"subject=CN = (\S+)", says)[1]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("options, taken", [
    (("-tls1", "-cipher", OLD), False),
    (("-tls1_1", "-cipher", OLD), False),
    (("-tls1_2",), True),
    (("-tls1_3",), True),
    (("-tls1_2", "-cipher", "ECDHE+AESGCM"), True),
    (("-tls1_2", "-cipher", "ECDHE+CHACHA20"), True),
    (("-tls1_2", "-cipher", "ECDHE+AES:!AESGCM:!AESCCM@SECLEVEL=0"), False),
    (("-tls1_2", "-cipher", "kRSA@SECLEVEL=0"), False),
    (("-tls1_2", "-cipher", "DHE@SECLEVEL=0"), False),
    (("-tls1_2", "-cipher", "aNULL:eNULL@SECLEVEL=0"), False),
])
def test_versions_and_ciphers(relay, way, options, taken):
    ok, says = s_client(relay, way, *options)
    assert ok == taken, says


def test_renegotiation_and_compression_are_off(relay):
    ok, says = s_client(relay, "implicit", "-tls1_2")
    assert ok and "Compression: NONE" in says
    with subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{relay.implicit}", "-tls1_2"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as client:
        while not client.stdout.readline().startswith(b"220 "):  # or it would come amid the new handshake
            assert client.poll() is None, client.stderr.read()
        says = client.communicate(b"R\n", timeout=60)[1]
    assert b"no renegotiation" in says, says


@pytest.mark.parametrize("way", WAYS)
def test_the_name_asked_for_chooses_the_certificate(tls_relay, way):
    for name, cn in ((None, "localhost"), ("elsewhere.example", "localhost"), ("shop.example.com", "shop"),
                     ("SHOP.Example.COM", "shop"), ("a.example.org", "wild"), ("b.a.example.org", "localhost")):
        assert shown(tls_relay, name, way) == cn, name


def reload_by_itself(relay):
    pass


def reload_by_hangup(relay):
    relay.process.child.send_signal(signal.SIGHUP)


def reload_by_relayctl(relay):
    assert "/shop.pem (shop.example.com), expires in " in relay.ctl("tls", "reload").stdout


@pytest.mark.parametrize("reload", (reload_by_itself, reload_by_hangup, reload_by_relayctl))
def test_new_certificates_under_an_open_session(tls_relay, sink, token, reload):
    loose = ssl.create_default_context()
    loose.check_hostname, loose.verify_mode = False, ssl.CERT_NONE
    with smtplib.SMTP("localhost", tls_relay.starttls, timeout=60) as client:
        client.starttls(context=loose)
        client.login(tls_relay.key_id, tls_relay.key)
        replace_certificate(tls_relay.dir, "shop", "renewed", "DNS:shop.example.com")
        reload(tls_relay)
        wait_until(lambda: shown(tls_relay, "shop.example.com") == "renewed", "the new certificate is shown")
        client.sendmail("a@example.org", ["r@example.net"], f"From: a@example.org\r\nSubject: {token}\r\n\r\nx\r\n")
    sink.wait_for(token)


def test_a_pair_that_does_not_match_changes_nothing_and_is_told(tls_relay):
    make_certificate(tls_relay.dir, "other", "other", "DNS:shop.example.com")
    os.replace(tls_relay.dir / "other.pem", tls_relay.dir / "shop.pem")
    refused = tls_relay.ctl("tls", "reload", check=False)
    assert refused.returncode == 1 and "does not belong to the certificate" in refused.stderr
    assert shown(tls_relay, "shop.example.com") == "shop"
    assert "these are not what the files hold now: the key" in tls_relay.ctl("status").stdout
    assert "the certificates are not replaced" in tls_relay.process.tail()
    checked = subprocess.run([BIN / "relayd", "--check-config", "--config", tls_relay.config], capture_output=True, text=True)
    assert checked.returncode == 1 and "shop.key does not belong to the certificate" in checked.stderr
    os.replace(tls_relay.dir / "other.key", tls_relay.dir / "shop.key")
    wait_until(lambda: shown(tls_relay, "shop.example.com") == "other", "the whole pair is taken by itself")
    assert "these are not" not in tls_relay.ctl("status").stdout


@pytest.mark.parametrize("version", ("-tls1_2", "-tls1_3"))
def test_a_ticket_is_good_for_its_listener_alone(relay, tmp_path, version):
    saved = tmp_path / "session"

    def session(way, *options):
        argv = ["openssl", "s_client", "-connect", f"127.0.0.1:{getattr(relay, way)}", version, "-ign_eof", *options]
        if way == "starttls":
            argv += ["-starttls", "smtp"]
        done = subprocess.run([str(a) for a in argv], input=b"QUIT\r\n", capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return next(line for line in done.stdout.splitlines() if line.startswith((b"New, ", b"Reused, ")))

    assert session("implicit", "-sess_out", saved).startswith(b"New")
    for _ in range(8):  # whichever loop takes it
        assert session("implicit", "-sess_in", saved).startswith(b"Reused")
    assert session("starttls", "-sess_in", saved).startswith(b"New")


def test_https_has_the_same_certificates(tmp_path, sink):
    make_certificate(tmp_path, "shop", "shop", "DNS:shop.example.com")
    make_certificate(tmp_path, "wild", "wild", "DNS:*.example.org")

    class Https(TlsRelay):
        CONFIG = TlsRelay.CONFIG.replace("port: {http}}}", "port: {http}, tls: true}}")

    relay = Https(tmp_path, sink.port)
    assert shown(relay, "shop.example.com", "http") == "shop"
    assert shown(relay, None, "http") == "localhost"
    answer = subprocess.run(["curl", "-sS", "--cacert", tmp_path / "shop.pem", "--resolve", f"shop.example.com:{relay.http}:127.0.0.1",
                             f"https://shop.example.com:{relay.http}/healthz"], capture_output=True, text=True, timeout=60)
    assert answer.stdout == '{"status":"ok"}', answer.stderr
    relay.stop()
