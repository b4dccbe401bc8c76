"""A collector as a process: how it starts, where it listens, its certificate, what it tells the service manager."""

import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from authority import DAY, Authority
from inventory_server import TLS, CollectorServer, talk
from support import HEADLESS, TIME_SCALE, wait_for


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorServer]:
    """A collector that is there already."""
    with CollectorServer(tmp_path_factory.mktemp("collector")) as server:
        yield server.start()


def test_a_renewed_certificate(tmp_path: Path) -> None:
    """Read at SIGHUP; one that cannot be used changes nothing."""
    authority = Authority(tmp_path)
    authority.issue_server()
    with CollectorServer(tmp_path, TLS) as server:
        server.start()
        first = ssl.get_server_certificate(("127.0.0.1", server.port))
        (tmp_path / "localhost.key").write_text("nonsense")
        server.hang_up("certificate-kept")
        assert "renewing reads='the TLS certificate' not='the settings, the keys" in server.log
        assert ssl.get_server_certificate(("127.0.0.1", server.port)) == first
        certificate, _ = authority.issue_server()
        server.hang_up("certificate-read")
        assert ssl.get_server_certificate(("127.0.0.1", server.port)).strip() == Path(certificate).read_text().strip()


def test_a_certificate_that_is_over_is_told(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, _ = authority.issue("localhost", lifetime=-DAY)
    end = x509.load_pem_x509_certificate(Path(certificate).read_bytes()).not_valid_after_utc
    told = f"the certificate is over since {end:%Y-%m-%d}"
    with CollectorServer(tmp_path, TLS) as server:
        server.start()
        [line] = [line for line in server.log.splitlines() if told in line]
        assert "WARNING" in line and certificate in line
        server.hang_up("certificate-read")
        wait_for(lambda: server.log.count(told) == 2, "the warning once more")
        authority.issue_server()
        server.hang_up("certificate-read")
        server.stop()
        assert server.log.count(told) == 2


@pytest.mark.parametrize(
    ("settings", "options", "line"),
    [
        ("listen = 'x'\n", [], "unknown setting 'listen'"),
        ("", ["--tls-cert", "/nonexistent"], "No such file or directory"),
        ("", ["--key", "/nonexistent"], "/nonexistent cannot be read"),
        ("", ["--database", "oracle://x"], "postgresql://"),
    ],
)
def test_settings_that_cannot_be(tmp_path: Path, settings: str, options: list[str], line: str) -> None:
    file = tmp_path / "collector.toml"
    file.write_text(settings)
    words = [HEADLESS, "inventory", "serve", "--state", str(tmp_path / "state"), "--config", str(file), *options]
    done = subprocess.run(
        words, env={"HOME": "/"}, capture_output=True, text=True, check=False, timeout=30 * TIME_SCALE
    )
    assert done.returncode == 2
    (message,) = done.stderr.splitlines()
    assert line in message


def test_one_state_has_one_collector(server: CollectorServer) -> None:
    words = [HEADLESS, "inventory", "serve", "--state", str(server.state), "--listen", "127.0.0.1:0"]
    done = subprocess.run(
        words, env={"HOME": "/"}, capture_output=True, text=True, check=False, timeout=30 * TIME_SCALE
    )
    assert (done.returncode, "in use by another collector" in done.stderr) == (2, True)


def test_an_address_that_is_taken(server: CollectorServer, tmp_path: Path) -> None:
    words = [HEADLESS, "inventory", "serve", "--state", str(tmp_path), "--listen", f"127.0.0.1:{server.port}"]
    done = subprocess.run(
        words, env={"HOME": "/"}, capture_output=True, text=True, check=False, timeout=30 * TIME_SCALE
    )
    assert done.returncode == 1, done.stderr


def test_a_proxy_on_a_local_socket(tmp_path: Path) -> None:
    """It says who its clients are: a local socket itself has no addresses."""
    (tmp_path / "collector.toml").write_text("[feeds.feed]\nsites = ['*']\nnetworks = ['192.0.2.0/24']\n"
                                             "[serve]\nproxies = ['unix']\n")  # fmt: skip
    path = tmp_path / "socket"
    words = ["--config", str(tmp_path / "collector.toml"), "--state", str(tmp_path / "state")]
    collector = subprocess.Popen(
        [HEADLESS, "inventory", "serve", *words, "--listen", f"unix:{path}"], env={"HOME": "/"}
    )
    try:
        wait_for(path.exists, "the socket")
        show = ("curl", "-s", "-o", os.devnull, "-w", "%{http_code}", "--unix-socket", str(path), "--data-binary", "x")
        forwarded = ("-H", "X-Forwarded-For: 192.0.2.1")
        assert subprocess.check_output([*show, *forwarded, "http://localhost/feed/"]) == b"200"
        assert subprocess.check_output([*show, "http://localhost/feed/"]) == b"403"
    finally:
        collector.terminate()
        assert collector.wait(30 * TIME_SCALE) == 0


def test_the_service_manager_is_told(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, CollectorServer(tmp_path) as server:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30 * TIME_SCALE)
        server.variables["NOTIFY_SOCKET"] = str(tmp_path / "notify")
        server.start()
        assert manager.recv(4096).startswith(f"READY=1\nSTATUS=listening on 127.0.0.1:{server.port}".encode())
        server.stop()
        assert manager.recv(4096).startswith(b"STOPPING=1\n")


def test_a_handshake_that_is_not_begun(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue_server()
    with CollectorServer(tmp_path, f"{TLS}head_s = {TIME_SCALE}\n") as server:
        server.start()
        assert talk(server.port) == b""
