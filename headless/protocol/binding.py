"""Channel binding data of the kind ``tls-server-end-point`` (RFC 5929, section 4)."""

import hashlib

from headless.errors import ProtocolError

__all__ = ["compute_end_point", "format_fingerprint"]

# Signature algorithms (OID, DER content octets) whose hash is not SHA-256. MD5 and SHA-1 count as SHA-256 by the
# RFC; for Ed25519 and the like, where it says nothing, both sides of ours take SHA-256 too.
_HASHES = {
    bytes.fromhex("2a8648ce3d040303"): "sha384",  # ecdsa-with-SHA384
    bytes.fromhex("2a8648ce3d040304"): "sha512",
    bytes.fromhex("2a864886f70d01010c"): "sha384",  # sha384WithRSAEncryption
    bytes.fromhex("2a864886f70d01010d"): "sha512",
    bytes.fromhex("2a864886f70d01010e"): "sha224",
}


def compute_end_point(certificate: bytes) -> bytes:
    """Hash the server's certificate (DER) with the hash of its own signature.

    Raises:
        ProtocolError: it is not DER.
    """
    return hashlib.new(_HASHES.get(_read_signature_oid(certificate), "sha256"), certificate).digest()


def format_fingerprint(certificate: bytes) -> str:
    """The SHA-256 fingerprint of a certificate (DER) as OpenSSL prints it: ``AB:CD:...``."""
    return hashlib.sha256(certificate).digest().hex(":").upper()


def _read_signature_oid(certificate: bytes) -> bytes:
    """Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm SEQUENCE { OID ... } ... } (RFC 5280, 4.1)."""
    try:
        start, _ = _read_header(certificate, 0)
        body, length = _read_header(certificate, start)  # tbsCertificate: skipped
        algorithm, _ = _read_header(certificate, body + length)
        oid, length = _read_header(certificate, algorithm)
    except IndexError as exc:
        raise ProtocolError("the server's certificate is malformed") from exc
    return certificate[oid : oid + length]


def _read_header(data: bytes, position: int) -> tuple[int, int]:
    """Return where a DER value's content starts and how many bytes it has."""
    length = data[position + 1]
    if length < 0x80:
        return position + 2, length
    size = length & 0x7F
    octets = data[position + 2 : position + 2 + size]
    return position + 2 + size, int.from_bytes(octets, "big")
