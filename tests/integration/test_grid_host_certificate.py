"""A grid that runs for a year and more: its own certificate is made anew, and taken up, without a restart."""

import datetime
import ssl
from pathlib import Path

from cryptography import x509

from grid_support import GridServer
from headless.grid.serve.pki import Authority
from headless.grid.serve.pki_files import write_pair
from support import wait_for


def test_one_that_ends_and_one_that_was_made_are_taken_up(tmp_path: Path) -> None:
    with GridServer(tmp_path, "--envelope-lifetime", "1") as server:  # which is how often it looks
        user = server.add_user("tester")
        server.start()
        pki = server.state / "pki"
        before = _ask(server)
        write_pair(str(pki / "host.pem"), str(pki / "host.key"), Authority.open(str(pki)).issue_host(["localhost"], 5))
        wait_for(lambda: _ask(server) != before, "another certificate")
        wait_for(lambda: _count_days(_ask(server)) > 300, "one that lasts")
        server.run_tool(
            "pki", "--state", str(server.state), "host", "--host", "grid.example.org", "--host", "localhost"
        )
        wait_for(lambda: "grid.example.org" in _list_names(_ask(server)), "the one that was made")
        assert user.run("pwd").returncode == 0
        (pki / "host.pem").write_bytes(b"cut")
        wait_for(lambda: "is no certificate" in server.log, "a line of the log")
        assert user.run("pwd").returncode == 0
        server.stop()
        assert "bug" not in server.log


def _ask(server: GridServer) -> x509.Certificate:
    return x509.load_pem_x509_certificate(ssl.get_server_certificate(("127.0.0.1", server.port), timeout=30).encode())


def _count_days(certificate: x509.Certificate) -> float:
    return (certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC)) / datetime.timedelta(days=1)


def _list_names(certificate: x509.Certificate) -> list[str]:
    return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
        x509.DNSName
    )
