"""Channel binding data of the kind ``tls-server-end-point`` (RFC 5929, section 4)."""

import hashlib

from headless.errors import ProtocolError

__all__ = ["compute_end_point", "format_fingerprint"]

# Signature algorithms, and hashes of RSASSA-PSS, (OID, DER content octets) whose hash is not SHA-256. MD5 and SHA-1
# count as SHA-256 by the RFC; for Ed25519 and the like, where it says nothing, both sides of ours take SHA-256 too.
_HASHES = {
    bytes.fromhex("2a8648ce3d040301"): "sha224",  # ecdsa-with-SHA224
    bytes.fromhex("2a8648ce3d040303"): "sha384",  # ecdsa-with-SHA384
    bytes.fromhex("2a8648ce3d040304"): "sha512",
    bytes.fromhex("2a864886f70d01010c"): "sha384",  # sha384WithRSAEncryption
    bytes.fromhex("2a864886f70d01010d"): "sha512",
    bytes.fromhex("2a864886f70d01010e"): "sha224",
    bytes.fromhex("608648016503040202"): "sha384",  # id-sha384
    bytes.fromhex("608648016503040203"): "sha512",
    bytes.fromhex("608648016503040204"): "sha224",
}
_RSASSA_PSS = bytes.fromhex("2a864886f70d01010a")  # names its hash in its parameters (RFC 4055, section 3.1)


def compute_end_point(certificate: bytes) -> bytes:
    """Hash the server's certificate (DER) with the hash of its own signature.

    Raises:
        ProtocolError: it is no certificate.
    """
    return hashlib.new(_HASHES.get(_read_hash_oid(certificate), "sha256"), certificate).digest()


def format_fingerprint(certificate: bytes) -> str:
    """The SHA-256 fingerprint of a certificate (DER) as OpenSSL prints it: ``AB:CD:...``."""
    return hashlib.sha256(certificate).digest().hex(":").upper()


def _read_hash_oid(certificate: bytes) -> bytes:
    """What names the signature's hash: the algorithm, or for RSASSA-PSS its parameter.

    Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm SEQUENCE { OID, parameters } ... } (RFC 5280, 4.1).
    """
    try:
        start, _ = _read_header(certificate, 0)
        body, length = _read_header(certificate, start)  # tbsCertificate: skipped
        algorithm, _ = _read_header(certificate, body + length)
        oid, length = _read_header(certificate, algorithm)
        if certificate[oid : oid + length] == _RSASSA_PSS:
            oid, length = _read_pss_hash(certificate, oid + length)
    except IndexError as exc:
        raise ProtocolError("the server's certificate is malformed") from exc
    return certificate[oid : oid + length]


def _read_pss_hash(certificate: bytes, parameters: int) -> tuple[int, int]:
    """RSASSA-PSS-params ::= SEQUENCE { [0] SEQUENCE { OID ... } ... }; left out, it is SHA-1."""
    tagged, _ = _read_header(certificate, parameters)
    algorithm, _ = _read_header(certificate, tagged)
    oid, _ = _read_header(certificate, algorithm)
    return _read_header(certificate, oid)


def _read_header(data: bytes, position: int) -> tuple[int, int]:
    """Return where a DER value's content starts and how many bytes it has."""
    length = data[position + 1]
    if length < 0x80:
        return position + 2, length
    size = length & 0x7F
    octets = data[position + 2 : position + 2 + size]
    return position + 2 + size, int.from_bytes(octets, "big")
