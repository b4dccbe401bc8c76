"""What holds a CMS message (RFC 5652, section 3): DER as it is, or as text in PEM or S/MIME."""

import binascii

__all__ = ["ENVELOPED", "SIGNED", "BadSeal", "read_content_type", "unwrap"]

ENVELOPED = bytes.fromhex("06092a864886f70d010703")
SIGNED = bytes.fromhex("06092a864886f70d010702")
PEM_STARTS = (b"-----BEGIN PKCS7-----", b"-----BEGIN CMS-----")


class BadSeal(ValueError):
    """An envelope or a signature that is not what it must be; the message says why, in one line."""


def unwrap(data: bytes) -> bytes:
    """Return the DER of a message.

    Raises:
        BadSeal: it is neither DER nor text that holds such.
    """
    if data[:1] == b"\x30":
        return data
    text = data.replace(b"\r\n", b"\n").strip()
    if text.startswith(PEM_STARTS):
        body, end, _ = text.partition(b"\n")[2].partition(b"-----END ")
    elif text[:64].lower().startswith((b"mime-version:", b"content-")):
        body, end = text.partition(b"\n\n")[2], b"."
    else:
        raise BadSeal("no CMS message: neither DER nor PEM nor S/MIME")
    try:
        der = binascii.a2b_base64(body.replace(b"\n", b""), strict_mode=True)
    except binascii.Error:
        raise BadSeal("cut short: its base 64 does not hold together") from None
    if not end or not der:
        raise BadSeal("cut short: its last line is not there")
    return der


def read_content_type(der: bytes) -> bytes:
    """Return the object identifier, as DER, of what a message holds; empty if it is none."""
    if der[:1] != b"\x30" or len(der) < 2:
        return b""
    start = 2 + (der[1] & 0x7F if der[1] & 0x80 else 0)
    return der[start : start + len(ENVELOPED)]
