"""SHA-256 without hashlib, which loads all of OpenSSL's library to offer what else it knows: 5 ms."""

try:
    from _sha2 import sha256  # type: ignore[import-not-found,unused-ignore]  # Python 3.12 and later
except ImportError:
    try:
        from _sha256 import sha256  # type: ignore[import-not-found,unused-ignore]  # Python 3.11
    except ImportError:
        from hashlib import sha256

__all__ = ["hash_hex"]


def hash_hex(data: bytes) -> str:
    """The SHA-256 of some bytes, as hexadecimal digits."""
    return str(sha256(data).hexdigest())
