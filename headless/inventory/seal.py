"""Sealing: CMS EnvelopedData (RFC 5652), AES-256-CBC, a copy of the key for each recipient; openssl opens it.

The envelope itself says nothing of whether its content was changed on the way: the content does (its sum, and a
signature if there is one). So whoever sent an envelope must never be told how opening it went.
"""

from collections.abc import Sequence
from typing import TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.serialization import pkcs7

from headless.inventory.envelope import ENVELOPED, SIGNED, BadSeal, read_content_type, unwrap
from headless.inventory.signature import sign, verify

__all__ = ["BadSeal", "Identity", "is_sealed", "is_signed", "open_sealed", "seal", "sign", "verify"]

Identity: TypeAlias = tuple[x509.Certificate, rsa.RSAPrivateKey]
"""A recipient's certificate and its key."""


def seal(data: bytes, certificates: Sequence[x509.Certificate]) -> bytes:
    """Seal data for all of these recipients; each of them can open it.

    Args:
        data: any bytes.
        certificates: at least one, of RSA keys; a certificate that is over is taken like any other.

    Raises:
        BadSeal: there is none, or one has no RSA key.
    """
    if not certificates:
        raise BadSeal("no certificate to seal for")
    builder = pkcs7.PKCS7EnvelopeBuilder().set_data(data).set_content_encryption_algorithm(algorithms.AES256)
    for certificate in certificates:
        if not isinstance(certificate.public_key(), rsa.RSAPublicKey):
            raise BadSeal(f"{certificate.subject.rfc4514_string()}: only RSA keys can be sealed for")
        builder = builder.add_recipient(certificate)
    return builder.encrypt(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])


def open_sealed(sealed: bytes, identities: Sequence[Identity]) -> bytes:
    """Open an envelope with the first identity that it is sealed for.

    Args:
        sealed: DER, PEM or S/MIME.
        identities: at least one.

    Raises:
        BadSeal: it is sealed for none of them, is no whole envelope, or is made in a way that is not known.
    """
    der = unwrap(sealed)
    if read_content_type(der) != ENVELOPED:
        raise BadSeal("no sealed report: it is no CMS EnvelopedData")
    reason = "no key to open it with"
    for certificate, key in identities:
        try:
            return pkcs7.pkcs7_decrypt_der(der, certificate, key, [])
        except (ValueError, UnsupportedAlgorithm) as exc:
            reason = f"it cannot be opened: {exc}"
            if "recipient" not in str(exc).lower():
                break
    raise BadSeal(reason)


def is_sealed(data: bytes) -> bool:
    """Whether this is an envelope to open, in DER, PEM or S/MIME."""
    return _has_type(data, ENVELOPED)


def is_signed(data: bytes) -> bool:
    """Whether this is signed data, the content within it, in DER, PEM or S/MIME."""
    return _has_type(data, SIGNED)


def _has_type(data: bytes, content_type: bytes) -> bool:
    try:
        return read_content_type(unwrap(data)) == content_type
    except BadSeal:
        return False
