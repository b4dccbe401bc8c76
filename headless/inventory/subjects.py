"""Subjects of certificates, as people write them."""

import re

from cryptography import x509
from cryptography.x509.oid import NameOID, ObjectIdentifier

from headless.errors import ParameterError

__all__ = ["read_subject"]

_PART = re.compile(r"/(?=[A-Za-z0-9.]+=)")
"""Where a part begins; other slashes are of a value: ``/CN=host/node.example.org``."""
_DOTTED = re.compile(r"\d+(\.\d+)+")
_KINDS: dict[str, ObjectIdentifier] = {
    "C": NameOID.COUNTRY_NAME,
    "CN": NameOID.COMMON_NAME,
    "DC": NameOID.DOMAIN_COMPONENT,
    "E": NameOID.EMAIL_ADDRESS,
    "EMAIL": NameOID.EMAIL_ADDRESS,
    "EMAILADDRESS": NameOID.EMAIL_ADDRESS,
    "GN": NameOID.GIVEN_NAME,
    "L": NameOID.LOCALITY_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "SERIALNUMBER": NameOID.SERIAL_NUMBER,
    "SN": NameOID.SURNAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "STREET": NameOID.STREET_ADDRESS,
    "UID": NameOID.USER_ID,
    "USERID": NameOID.USER_ID,
}


def read_subject(text: str) -> str:
    """A subject as it is compared, RFC 4514: the last part first.

    Args:
        text: that, which stays as it is; or with slashes and the first part first, as in grid-mapfiles.

    Raises:
        ParameterError: it is neither.
    """
    if not text.startswith("/"):
        if "=" not in text:
            raise _refuse(text)
        return text
    first, *parts = _PART.split(text)
    if first or not parts:
        raise _refuse(text)
    try:
        return x509.Name([_read_part(part) for part in parts]).rfc4514_string()
    except (ValueError, KeyError) as exc:
        raise _refuse(text) from exc


def _read_part(part: str) -> "x509.NameAttribute[str]":
    kind, _, value = part.partition("=")
    oid = ObjectIdentifier(kind) if _DOTTED.fullmatch(kind) else _KINDS[kind.upper()]
    return x509.NameAttribute(oid, value)


def _refuse(text: str) -> ParameterError:
    return ParameterError(
        f"{text!r} is no subject of a certificate: write it like '/DC=org/O=Site/CN=reporter', or as"
        " 'openssl x509 -noout -subject -nameopt RFC2253 -in CERT' does: 'CN=reporter,O=Site,DC=org'"
    )
