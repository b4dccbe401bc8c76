"""Signing and sealing with certificates and keys as users give them: files of PEM, or PEM itself, as in settings."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from headless.errors import ParameterError
from headless.inventory.named_files import read_named
from headless.inventory.seal import seal, sign
from headless.inventory.signature import SigningKey

__all__ = ["close_report", "explain_end", "holds_private_key", "read_recipients", "read_signer"]


def close_report(
    data: bytes, *, encrypt: Sequence[str] = (), sign_key: str = "", sign_certificate: str = ""
) -> tuple[bytes, list[str]]:
    """Sign a report and then seal it, as far as that is wanted; return it, and warnings.

    Args:
        data: the report.
        encrypt: the recipients' certificates; none: not sealed.
        sign_key: a file; empty: not signed.
        sign_certificate: a file; empty: the key's.

    Raises:
        ParameterError: a key or a certificate cannot be read, or used.
    """
    if sign_certificate and not sign_key:
        raise ParameterError("--sign-certificate without --sign KEY: nothing to sign with")
    if sign_key:
        certificate, key = read_signer(sign_key, sign_certificate or sign_key)
        data = sign(data, certificate, key)
    if not encrypt:
        return data, []
    recipients, warnings = read_recipients(encrypt)
    return seal(data, recipients), warnings


def read_recipients(sources: Iterable[str]) -> tuple[list[x509.Certificate], list[str]]:
    """Read the certificates to seal for; return them, and a warning for each that does not hold
    today, or has its private key beside it.

    Args:
        sources: paths, or texts of PEM; of several certificates in one, all count.

    Raises:
        ParameterError: one cannot be read, or has no RSA key.
    """
    certificates, warnings = [], []
    for source in sources:
        name = "the certificate of --encrypt" if "-----BEGIN" in source else source
        if holds_private_key(source):
            warnings.append(
                f"{name}: a private key stands in it, which opens all reports: leave but the certificate on this host"
            )
        for certificate in _read(source, name):
            if not isinstance(certificate.public_key(), rsa.RSAPublicKey):
                raise ParameterError(f"{name}: only certificates of RSA keys can be sealed for")
            certificates.append(certificate)
            if reason := _explain_time(certificate):
                warnings.append(
                    f"{name}: {reason}; sealed for it all the same: ask the collector's keeper for a new one"
                )
    return certificates, warnings


def explain_end(path: str) -> str:
    """Why the first certificate of a file does not hold today; empty if it does.

    Raises:
        ParameterError: it cannot be read.
    """
    return _explain_time(_read(path, path)[0])


def _explain_time(certificate: x509.Certificate) -> str:
    now = datetime.now(UTC)
    if certificate.not_valid_after_utc < now:
        return f"the certificate is over since {certificate.not_valid_after_utc:%Y-%m-%d}"
    if certificate.not_valid_before_utc > now:
        return f"the certificate holds from {certificate.not_valid_before_utc:%Y-%m-%d} on only"
    return ""


def holds_private_key(source: str) -> bool:
    """Whether a private key stands in a file, or a text of PEM.

    Raises:
        ParameterError: it cannot be read.
    """
    return b"PRIVATE KEY-----" in _read_source(source)


def read_signer(key_file: str, certificate_file: str) -> tuple[x509.Certificate, SigningKey]:
    """Read a key and its certificate.

    Args:
        key_file: a path, of a key without a password.
        certificate_file: a path; the first certificate counts.

    Raises:
        ParameterError: one cannot be read, or the two do not belong to each other.
    """
    try:
        key = load_pem_private_key(read_named(key_file), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise ParameterError(f"{key_file}: no key in PEM without a password: {exc}") from exc
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ParameterError(f"{key_file}: signatures are made with keys of RSA or of an elliptic curve")
    certificate = _read(certificate_file, certificate_file)[0]
    if certificate.public_key() != key.public_key():
        raise ParameterError(f"{key_file} is not the key of the certificate in {certificate_file}")
    return certificate, key


def _read(source: str, name: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(_read_source(source))
    except ValueError as exc:
        raise ParameterError(f"{name}: no certificate in PEM in it") from exc


def _read_source(source: str) -> bytes:
    return source.encode() if "-----BEGIN" in source else read_named(source)
