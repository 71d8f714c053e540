"""A real WordPress with a database sends its password-reset mail through the relay."""

import email
import email.policy
import os
import pathlib
import shutil
import subprocess
import urllib.parse
import urllib.request

import pytest
from harness import HERE, Process, accepts, free_port, run_client, wait_until

WP_CONFIG = """<?php
define('DB_NAME', 'wordpress'); define('DB_USER', 'root'); define('DB_PASSWORD', '');
define('DB_HOST', 'localhost:{socket}'); define('DB_CHARSET', 'utf8mb4'); define('DB_COLLATE', '');
foreach (['AUTH_KEY', 'SECURE_AUTH_KEY', 'LOGGED_IN_KEY', 'NONCE_KEY', 'AUTH_SALT', 'SECURE_AUTH_SALT',
          'LOGGED_IN_SALT', 'NONCE_SALT'] as $name) define($name, 'only for a test: ' . $name);
define('WP_HTTP_BLOCK_EXTERNAL', true); define('DISABLE_WP_CRON', true); define('AUTOMATIC_UPDATER_DISABLED', true);
define('WP_HOME', 'http://{host}'); define('WP_SITEURL', 'http://{host}');
$table_prefix = 'wp_';
if (!defined('ABSPATH')) define('ABSPATH', __DIR__ . '/');
require_once ABSPATH . 'wp-settings.php';
"""


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """A MariaDB of the test's own, on a Unix socket only."""
    home = tmp_path_factory.mktemp("db")
    socket = home / "s"
    as_root = ["--user=root"]
    subprocess.run(["mariadb-install-db", *as_root, "--no-defaults", f"--datadir={home}/data",
                    "--auth-root-authentication-method=normal", "--skip-test-db"], check=True, capture_output=True)
    server = Process(["mariadbd", "--no-defaults", *as_root, f"--datadir={home}/data", f"--socket={socket}",
                      "--skip-networking", "--innodb-flush-log-at-trx-commit=0"], home / "log")
    wait_until(lambda: subprocess.run(["mariadb-admin", "--no-defaults", f"--socket={socket}", "-uroot", "ping"],
                                      capture_output=True).returncode == 0, "the database answers")
    run_client(["mariadb", "--no-defaults", f"--socket={socket}", "-uroot", "-e", "CREATE DATABASE wordpress"])
    yield socket
    server.stop()


@pytest.fixture(scope="module")
def site(tmp_path_factory, database, relay):
    home = tmp_path_factory.mktemp("site")
    tree = home / "wordpress"
    shutil.copytree("/usr/share/wordpress", tree, ignore=shutil.ignore_patterns("wp-config.php", ".htaccess"))
    host = f"127.0.0.1:{free_port()}"
    (tree / "wp-config.php").write_text(WP_CONFIG.format(socket=database, host=host))
    plugins = tree / "wp-content" / "mu-plugins"
    plugins.mkdir(parents=True)
    shutil.copy(HERE / "php" / "relay-smtp.php", plugins)
    env = {"RELAY_PORT": str(relay.starttls), "RELAY_CA": str(relay.certificate), "RELAY_KEY_ID": relay.key_id,
           "RELAY_KEY": relay.key, "SITE_HOST": host}
    installed = subprocess.run(["php", HERE / "php" / "install-wordpress.php"], cwd=tree, capture_output=True,
                               text=True, env={**os.environ, **env}, timeout=120)
    assert installed.returncode == 0, installed.stdout + installed.stderr
    server = Process(["php", "-S", host, "-t", tree], home / "log", env)
    wait_until(lambda: accepts(int(host.split(":")[1])), "PHP serves the site")
    yield f"http://{host}", pathlib.Path(home / "log")
    server.kill()  # PHP's own server knows no other end


def test_password_reset(site, relay, sink):
    url, log = site
    form = urllib.parse.urlencode({"user_login": "admin", "redirect_to": "", "wp-submit": "Get New Password"})
    with urllib.request.urlopen(f"{url}/wp-login.php?action=lostpassword", form.encode(), timeout=60) as answer:
        assert "checkemail=confirm" in answer.url, log.read_text()
    (message,) = sink.wait_for("Subject: [Test site] Password Reset")
    mail = email.message_from_bytes(message.content, policy=email.policy.default)
    assert message.recipients == ["admin@example.net"]
    assert mail["From"].addresses[0].addr_spec == "wordpress@example.org"
    link = f"{url}/wp-login.php?action=rp&key="
    assert link in mail.get_content()
