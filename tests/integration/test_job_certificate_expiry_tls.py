"""The module certificate-expiry against real TLS servers."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from jobs import certificate_expiry

LIMIT_S = 20


def write_pair(folder: Path, ends_in_days: float, key_bits: int = 2048) -> Path:
    """Write a key and its self-signed certificate into one file."""
    key = rsa.generate_private_key(65537, key_bits)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
    builder = builder.public_key(key.public_key()).not_valid_before(now - timedelta(days=400))
    certificate = builder.not_valid_after(now + timedelta(days=ends_in_days)).sign(key, hashes.SHA256())
    file = folder / "pair.pem"
    file.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    )
    return file


@contextlib.contextmanager
def serve(
    context: ssl.SSLContext, family: socket.AddressFamily = socket.AF_INET, host: str = "127.0.0.1"
) -> Iterator[int]:
    """Answer one TLS client in a thread; yield the port."""
    with socket.socket(family) as listener:
        listener.bind((host, 0))
        listener.listen()
        listener.settimeout(LIMIT_S)

        def answer() -> None:
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(LIMIT_S)
                    with context.wrap_socket(connection, server_side=True) as session:
                        session.recv(1)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join(LIMIT_S)
            assert not thread.is_alive()


def server_context(pair: Path) -> ssl.SSLContext:
    """A server's side that shows this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(pair)
    return context


@pytest.mark.parametrize(
    ("ends_in_days", "status", "says"),
    [(30.5, 0, ""), (5.5, 1, "CN=server: ends in 5 days, on "), (-1, 1, "CN=server: ended on ")],
)
def test_a_server_is_judged_by_the_certificate_it_shows(
    tmp_path: Path, ends_in_days: float, status: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(server_context(write_pair(tmp_path, ends_in_days))) as port:
        assert certificate_expiry.main([f"127.0.0.1:{port}"]) == status
    out, err = capsys.readouterr()
    assert out.startswith(f"127.0.0.1:{port}: {says}" if says else "")
    assert bool(out) == bool(says)
    assert err == ""


def test_the_name_is_sent_so_that_a_server_of_many_can_choose(tmp_path: Path) -> None:
    names: list[str | None] = []
    context = server_context(write_pair(tmp_path, 30))
    context.sni_callback = lambda _session, name, _context: names.append(name)
    with serve(context) as port:
        assert certificate_expiry.main([f"localhost:{port}"]) == 0
    assert names == ["localhost"]


def test_ipv6_is_written_in_brackets(tmp_path: Path) -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with serve(server_context(write_pair(tmp_path, 30)), socket.AF_INET6, "::1") as port:
        assert certificate_expiry.main([f"[::1]:{port}"]) == 0


def test_a_weak_old_server_can_be_examined_too(tmp_path: Path) -> None:
    context = server_context(write_pair(tmp_path, 30, key_bits=1024))
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with serve(context) as port:
        assert certificate_expiry.main([f"127.0.0.1:{port}"]) == 0


def test_a_server_that_is_not_there_is_a_line_and_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:  # bound and not listening: nobody else can answer there
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert certificate_expiry.main([f"127.0.0.1:{port}"]) == 1
    assert capsys.readouterr() == ("", f"127.0.0.1:{port}: Connection refused\n")


def test_a_server_that_never_answers_is_given_up_in_time(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        begin = datetime.now(UTC)
        assert certificate_expiry.main([f"127.0.0.1:{port}", "--timeout", "0.2"]) == 1
    assert datetime.now(UTC) - begin < timedelta(seconds=LIMIT_S)
    assert "timed out" in capsys.readouterr().err


def test_a_server_that_speaks_no_tls_is_a_line_and_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        port = listener.getsockname()[1]
        assert certificate_expiry.main([f"127.0.0.1:{port}", "--timeout", str(LIMIT_S)]) == 1
        thread.join(LIMIT_S)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"127.0.0.1:{port}: ")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("port", ["0", "65536", "99999999"])
def test_a_port_that_none_can_have_is_a_line_and_a_failure(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert certificate_expiry.main([f"127.0.0.1:{port}"]) == 1
    assert capsys.readouterr().err == f"127.0.0.1:{port}: a port is 1 to 65535\n"
