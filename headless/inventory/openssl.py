"""Sealing by the command ``openssl``, started first of all, so that it is ready when there is something to seal.

Importing the library that does it in this process takes longer than all else that a report does.
"""

import os
import sys
import time

if sys.platform == "win32":
    raise ImportError("reports are made on POSIX systems only")

__all__ = ["Sealer"]

COMMANDS = ("/usr/bin/openssl", "/usr/local/bin/openssl", "/bin/openssl")
WORDS = ("cms", "-encrypt", "-binary", "-aes-256-cbc", "-outform", "DER")
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
RSA_KEY = bytes.fromhex("06092a864886f70d010101")
CONTEXT_0, UTC_TIME = 0xA0, 0x17


class Sealer:
    """A process of openssl that waits for what it is to seal."""

    def __init__(self, process: int, into: int, out_of: int) -> None:
        self._process = process
        self._into = into
        self._out_of = out_of

    @classmethod
    def start(cls, certificates: list[str]) -> "Sealer | None":
        """Start it; ``None`` if it is not installed, or a certificate's file needs to be looked at by people's eyes.

        Args:
            certificates: files of PEM, of each of which openssl would take but the first certificate, however old.
        """
        if not all(_is_plain(path) for path in certificates):
            return None
        command = next((path for path in COMMANDS if os.access(path, os.X_OK)), None)
        if command is None:
            return None
        read_in, into = os.pipe()
        out_of, write_out = os.pipe()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        actions = [(os.POSIX_SPAWN_DUP2, here, there) for here, there in ((read_in, 0), (write_out, 1), (nowhere, 2))]
        files = [os.path.abspath(path) for path in certificates]
        try:
            process = os.posix_spawn(command, ["openssl", *WORDS, *files], ENVIRONMENT, file_actions=actions)
        finally:
            for descriptor in (read_in, write_out, nowhere):
                os.close(descriptor)
        return cls(process, into, out_of)

    def finish(self, data: bytes) -> bytes | None:
        """Seal; ``None`` if openssl could not."""
        sealed = []
        try:
            # It reads to the end before it writes: DER begins with its length.
            with open(self._into, "wb", buffering=0) as file:
                view = memoryview(data)
                while view:
                    view = view[file.write(view) :]
            while part := os.read(self._out_of, 1 << 20):
                sealed.append(part)
        except OSError:
            sealed = []
        os.close(self._out_of)
        _, status = os.waitpid(self._process, 0)
        return b"".join(sealed) if status == 0 and sealed else None

    def stop(self) -> None:
        """Seal nothing."""
        self.finish(b"")


def _is_plain(path: str) -> bool:
    """Whether a file holds one certificate, of an RSA key, that holds today."""
    try:
        with open(path, "rb", buffering=0) as file:
            text = file.read(65536)
        _, _, rest = text.partition(b"-----BEGIN CERTIFICATE-----")
        body, end, rest = rest.partition(b"-----END CERTIFICATE-----")
        if not end or b"-----BEGIN CERT" in rest or b"PRIVATE KEY-----" in text:
            return False
        import binascii

        return _is_usable(binascii.a2b_base64(body))
    except (OSError, ValueError, IndexError):
        return False


def _is_usable(der: bytes) -> bool:
    """RFC 5280, section 4.1: version, serial number, algorithm and issuer stand before the validity, then the key."""
    _, place, _ = _read_head(der, 0)
    _, place, _ = _read_head(der, place)
    if der[place] == CONTEXT_0:
        place = _read_head(der, place)[2]
    for _ in range(3):
        place = _read_head(der, place)[2]
    _, start, after = _read_head(der, place)
    first, second = _read_time(der, start), _read_time(der, _read_head(der, start)[2])
    key = _read_head(der, after)[2]
    now = time.strftime("%Y%m%d%H%M%SZ", time.gmtime())
    return first <= now <= second and RSA_KEY in der[key : key + 32]


def _read_time(der: bytes, place: int) -> str:
    tag, start, end = _read_head(der, place)
    text = der[start:end].decode("ascii")
    if tag == UTC_TIME:
        return ("19" if text >= "5" else "20") + text
    return text


def _read_head(der: bytes, place: int) -> tuple[int, int, int]:
    """The tag of the value that begins here, where its content begins, and where it ends."""
    length, start = der[place + 1], place + 2
    if length & 0x80:
        count = length & 0x7F
        length, start = int.from_bytes(der[start : start + count], "big"), start + count
    return der[place], start, start + length
