"""Whether a certificate is vouched for by the known authorities: the chain, each signature, and the time."""

import glob
import os
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature

__all__ = ["find_fault"]

LONGEST = 8  # certificates in a chain


def find_fault(certificate: x509.Certificate, ca_file: str | None, ca_folder: str | None) -> str:
    """Why it is not to be trusted; empty if it is.

    Args:
        certificate: to look at.
        ca_file: authorities in PEM.
        ca_folder: with OpenSSL's hash links to one PEM file each; looked at if there is no file.
    """
    authorities = _read_authorities(ca_file, ca_folder)
    if not authorities:
        return "no authorities are known: set X509_CERT_DIR or X509_CERT_FILE"
    for _ in range(LONGEST):
        now = datetime.now(UTC)
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            return f"{certificate.subject.rfc4514_string()} is out of its time"
        issuer = next((each for each in authorities if _has_signed(each, certificate)), None)
        if issuer is None:
            return f"its issuer {certificate.issuer.rfc4514_string()} is not known"
        if issuer.subject == issuer.issuer:
            return ""
        certificate = issuer
    return "its chain has no end"


def _has_signed(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    try:
        return issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _read_authorities(ca_file: str | None, ca_folder: str | None) -> list[x509.Certificate]:
    paths = [ca_file] if ca_file else glob.glob(os.path.join(glob.escape(ca_folder), "*.[0-9]")) if ca_folder else []
    found: list[x509.Certificate] = []
    for path in paths:
        try:
            with open(path, "rb") as file:
                found += x509.load_pem_x509_certificates(file.read(4 << 20))
        except (OSError, ValueError):
            continue  # one that is damaged vouches for nothing
    return found
