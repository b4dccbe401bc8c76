"""Macaroons: bearer tokens whose caveats only narrow what they allow. Values and HMACs, no I/O.

Version 1 of the format, which every XRootD since 4.9 reads: packets ``LLLL field data\\n``, their length in four hex
digits, base64 in the alphabet for URLs; the signature is a chain of HMAC-SHA256 over identifier and caveats.
Source: Birgisson et al., "Macaroons" (NDSS 2014), and libmacaroons' ``doc/format.txt``.
"""

import base64
import binascii
import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Macaroon", "build_macaroon", "is_genuine", "parse_macaroon"]

KEY_GENERATOR = b"macaroons-key-generator".ljust(32, b"\0")
HEX = frozenset(b"0123456789abcdef")
SIGNATURE = 32  # bytes
MAX_TEXT = 16 * 1024  # characters; ours have some hundreds


@dataclass(frozen=True)
class Macaroon:
    """A macaroon as it was read; nothing of it is known to be true until :func:`is_genuine` has said so.

    Attributes:
        location: where it is meant for; the signature does not cover it.
        identifier: whatever its maker wanted to find again.
        caveats: conditions, all of which must hold.
        signature: 32 bytes.
    """

    location: str
    identifier: str
    caveats: tuple[str, ...]
    signature: bytes

    def list_values(self, name: str) -> list[str]:
        """What the caveats ``name:VALUE`` say."""
        return [caveat.partition(":")[2] for caveat in self.caveats if caveat.startswith(f"{name}:")]


def build_macaroon(key: bytes, location: str, identifier: str, caveats: Sequence[str]) -> str:
    """Make one, as text for a URL."""
    packets = [("location", location.encode()), ("identifier", identifier.encode())]
    packets += [("cid", caveat.encode()) for caveat in caveats]
    packets.append(("signature", _sign(key, identifier, caveats)))
    raw = b"".join(_build_packet(field, data) for field, data in packets)
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def parse_macaroon(text: str) -> Macaroon:
    """Read one; with or without padding, in either alphabet.

    Raises:
        ValueError: it is none.
    """
    text = text.strip().rstrip("=").replace("+", "-").replace("/", "_")
    if len(text) > MAX_TEXT:
        raise ValueError("too long for a macaroon")
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except binascii.Error as exc:
        raise ValueError("no base64") from exc
    packets = list(_split_packets(raw))
    fields = [field for field, _ in packets]
    if fields[:2] != ["location", "identifier"] or fields[-1] != "signature" or set(fields[2:-1]) - {"cid"}:
        raise ValueError("not the packets of a macaroon")
    if len(packets[-1][1]) != SIGNATURE:
        raise ValueError("a signature of another length")
    location, identifier, *caveats = [data.decode() for _, data in packets[:-1]]
    return Macaroon(location, identifier, tuple(caveats), packets[-1][1])


def is_genuine(macaroon: Macaroon, key: bytes) -> bool:
    """Whether it was made, or narrowed from one that was made, with this key."""
    return hmac.compare_digest(_sign(key, macaroon.identifier, macaroon.caveats), macaroon.signature)


def _sign(key: bytes, identifier: str, caveats: Sequence[str]) -> bytes:
    signature = hmac.digest(hmac.digest(KEY_GENERATOR, key, "sha256"), identifier.encode(), "sha256")
    for caveat in caveats:
        signature = hmac.digest(signature, caveat.encode(), "sha256")
    return signature


def _build_packet(field: str, data: bytes) -> bytes:
    size = 4 + len(field) + 1 + len(data) + 1
    if size > 0xFFFF:
        raise ValueError("too long for a macaroon")
    return b"%04x%s %s\n" % (size, field.encode(), data)


def _split_packets(raw: bytes) -> Iterator[tuple[str, bytes]]:
    while raw:
        if not set(raw[:4]) <= HEX:
            raise ValueError("no packets of a macaroon")
        size = int(raw[:4], 16)
        packet, raw = raw[4:size], raw[size:]
        field, blank, data = packet.partition(b" ")
        if size < 6 or len(packet) != size - 4 or not blank or not data.endswith(b"\n"):
            raise ValueError("a packet of another length")
        yield field.decode(), data[:-1]
