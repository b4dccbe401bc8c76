"""Channel binding data: for certificates of every kind the hash that RFC 5929 names, as ``cryptography`` sees it."""

import datetime
import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from fuzzing import FUZZ
from headless.errors import ProtocolError
from headless.protocol.binding import compute_end_point, format_fingerprint

START = datetime.datetime(2026, 1, 1)
SHA256_WITH_RSA, SHA1_WITH_RSA, MD5_WITH_RSA = (bytes.fromhex("2a864886f70d0101" + last) for last in ("0b", "05", "04"))
Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def make_certificate(key: Key, algorithm: hashes.HashAlgorithm | None, *, pss: bool = False) -> x509.Certificate:
    """A self-signed certificate."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "server.example.com")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(START)
        .not_valid_after(START + datetime.timedelta(days=30))
    )
    if pss and algorithm is not None:
        padded = padding.PSS(padding.MGF1(hashes.SHA256()), algorithm.digest_size)
        return builder.sign(key, algorithm, rsa_padding=padded)  # type: ignore[arg-type]
    return builder.sign(key, algorithm)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    """One key for all: making it is slow."""
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="module")
def certificate() -> bytes:
    """A certificate as our server makes its own, in DER."""
    return make_certificate(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(Encoding.DER)


def expected(certificate: x509.Certificate) -> bytes:
    """The certificate's hash by what the library reads of its signature."""
    algorithm = certificate.signature_hash_algorithm
    return hashlib.new(
        "sha256" if algorithm is None else algorithm.name, certificate.public_bytes(Encoding.DER)
    ).digest()


@pytest.mark.parametrize("algorithm", [hashes.SHA224(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512()])
@pytest.mark.parametrize("kind", ["ecdsa", "rsa", "rsa-pss"])
def test_the_hash_is_that_of_the_signature(
    kind: str, algorithm: hashes.HashAlgorithm, rsa_key: rsa.RSAPrivateKey
) -> None:
    key = ec.generate_private_key(ec.SECP256R1()) if kind == "ecdsa" else rsa_key
    made = make_certificate(key, algorithm, pss=kind == "rsa-pss")
    data = compute_end_point(made.public_bytes(Encoding.DER))
    assert data == expected(made)
    assert len(data) == algorithm.digest_size


def test_a_signature_without_a_hash_of_its_own_counts_as_sha_256() -> None:
    made = make_certificate(ed25519.Ed25519PrivateKey.generate(), None)
    assert compute_end_point(made.public_bytes(Encoding.DER)) == expected(made)


@pytest.mark.parametrize("weak", [SHA1_WITH_RSA, MD5_WITH_RSA])
def test_md5_and_sha_1_count_as_sha_256(weak: bytes, rsa_key: rsa.RSAPrivateKey) -> None:
    data = make_certificate(rsa_key, hashes.SHA256()).public_bytes(Encoding.DER)
    changed = data.replace(SHA256_WITH_RSA, weak)  # nobody signs with these any more
    assert changed != data
    assert compute_end_point(changed) == hashlib.sha256(changed).digest()


def test_another_certificate_gives_other_data(certificate: bytes) -> None:
    other = make_certificate(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(Encoding.DER)
    assert compute_end_point(certificate) != compute_end_point(other)


def test_a_fingerprint_is_printed_as_openssl_does() -> None:
    assert format_fingerprint(b"abc").startswith("BA:78:16:BF:8F:01:CF:EA:41:41:40:DE")
    assert len(format_fingerprint(b"")) == 32 * 3 - 1


@pytest.mark.parametrize("data", [b"", b"0", b"\x30\x82", b"\x30\x03\x30\x82\xff", b"\x30\x84\xff\xff\xff\xff"])
def test_what_is_no_certificate_is_a_protocol_error(data: bytes) -> None:
    with pytest.raises(ProtocolError, match="malformed"):
        compute_end_point(data)


@given(st.binary(max_size=64) | st.binary(max_size=40).map(lambda tail: b"\x30\x40\x30\x00\x30\x0b\x06\x09" + tail))
@FUZZ
def test_any_bytes_give_data_or_a_protocol_error(data: bytes) -> None:
    try:
        assert len(compute_end_point(data)) in (28, 32, 48, 64)
    except ProtocolError as exc:
        assert "malformed" in str(exc)


@given(st.integers(0, 400), st.binary(min_size=1, max_size=4))
@FUZZ
def test_a_damaged_certificate_gives_data_or_a_protocol_error(certificate: bytes, place: int, piece: bytes) -> None:
    damaged = certificate[:place] + piece + certificate[place + len(piece) :]
    for data in (damaged, certificate[:place]):
        try:
            compute_end_point(data)
        except ProtocolError as exc:
            assert "malformed" in str(exc)
