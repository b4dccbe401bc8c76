"""When an X.509 certificate begins and ends, read from its PEM text (RFC 5280, section 4.1).

Importing ``cryptography`` for it would double the time of a short command.
"""

import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

__all__ = ["Validity", "is_encrypted", "read_user", "read_validity"]

BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
VERSION = 0xA0
COMMON_NAME = b"\x55\x04\x03"  # 2.5.4.3
USERS = "Users"


@dataclass(frozen=True)
class Validity:
    """From when to when, in seconds since 1970."""

    begin: float
    end: float


def read_validity(text: str) -> Validity:
    """Look into the first certificate of a PEM text.

    Raises:
        ValueError: there is none, or it is damaged.
    """
    body = _find_body(text)
    try:
        (_, first), (_, last) = _walk(_find_fields(body)[3][1])
        return Validity(_read_time(first), _read_time(last))
    except (ValueError, IndexError) as exc:
        raise ValueError("holds a damaged certificate") from exc


def read_user(text: str) -> str:
    """Whom the first certificate of a PEM text is of: the name behind ``OU=Users``, or ``CN=Users`` in a token.

    So it is in CERN's certificates, in those of ``headless grid serve`` and in tokens; empty for others.

    Raises:
        ValueError: there is none, or it is damaged.
    """
    body = _find_body(text)
    try:
        names = [[*_walk(pair)] for _, part in _walk(_find_fields(body)[4][1]) for _, pair in _walk(part)]
        shown = [(kind, value.decode("utf-8", "replace")) for (_, kind), (_, value) in names]
    except (ValueError, IndexError) as exc:
        raise ValueError("holds a damaged certificate") from exc
    return next((name for (_, group), (kind, name) in pairwise(shown) if group == USERS and kind == COMMON_NAME), "")


def _find_body(text: str) -> str:
    """The first certificate of a PEM text."""
    _, begin, rest = text.partition(BEGIN)
    body, end, _ = rest.partition(END)
    if not (begin and end):
        raise ValueError("holds no certificate in PEM")
    return body


def _find_fields(body: str) -> list[tuple[int, bytes]]:
    """Serial number, algorithm, issuer, validity, subject ... of a certificate."""
    der = binascii.a2b_base64(body)
    (_, certificate), *_ = _walk(der)
    (_, to_be_signed), *_ = _walk(certificate)
    return [field for field in _walk(to_be_signed) if field[0] != VERSION]


def is_encrypted(text: str) -> bool:
    """Whether a PEM key has a passphrase (RFC 5958, and OpenSSL's older form)."""
    return "-----BEGIN ENCRYPTED PRIVATE KEY-----" in text or "Proc-Type: 4,ENCRYPTED" in text


def _walk(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element (X.690, section 8.1)."""
    at = 0
    while at < len(data):
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(data[at : at + size], "big")
            at += size
        if at + length > len(data):
            raise ValueError("cut short")
        yield tag, data[at : at + length]
        at += length


def _read_time(value: bytes) -> float:
    """Both forms end in Z; the short one's years are 1950 to 2049 (RFC 5280, section 4.1.2.5)."""
    text = value.decode("ascii").removesuffix("Z")
    if len(text) == 12:
        text = ("19" if text >= "50" else "20") + text
    year = int(text[:4])
    month, day, hour, minute, second = (int(text[at : at + 2]) for at in range(4, 14, 2))
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
