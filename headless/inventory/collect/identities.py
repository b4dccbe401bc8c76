"""The collector's own keys, and the certificates of those who sign."""

from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from headless.errors import ParameterError
from headless.inventory.named_files import read_named
from headless.inventory.seal import Identity

__all__ = ["read_certificates", "read_identities"]


def read_identities(paths: Iterable[str]) -> list[Identity]:
    """Read files that hold a certificate and its key each, PEM.

    Raises:
        ParameterError: one cannot be read, or holds something else.
    """
    identities: list[Identity] = []
    for path in paths:
        data = read_named(path)
        try:
            certificate, key = x509.load_pem_x509_certificate(data), load_pem_private_key(data, None)
        except (ValueError, TypeError) as exc:
            raise ParameterError(f"{path} must hold a certificate and its key, PEM, without a password") from exc
        if not isinstance(key, rsa.RSAPrivateKey) or certificate.public_key() != key.public_key():
            raise ParameterError(f"{path}: the key is no RSA key, or is not that of the certificate")
        identities.append((certificate, key))
    return identities


def read_certificates(paths: Iterable[str]) -> list[x509.Certificate]:
    """Read files of certificates, PEM, all there are in each.

    Raises:
        ParameterError: one cannot be read, or holds none.
    """
    found: list[x509.Certificate] = []
    for path in paths:
        try:
            found += x509.load_pem_x509_certificates(read_named(path))
        except ValueError as exc:
            raise ParameterError(f"{path} holds no certificate, PEM") from exc
    return found
