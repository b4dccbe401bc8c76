"""What the launcher sends: the job's source, its name and its id."""

import os
import stat

from headless.errors import ParameterError
from headless.launcher.settings import LaunchSettings

__all__ = ["choose_name", "make_job_id", "read_source"]

MAX_SCRIPT = 64 << 20  # bytes; what is read of a file before the server's own limit is heard
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def read_source(settings: LaunchSettings) -> bytes:
    """The bytes of the script or code, checked to be a Python source text; empty for a module.

    Raises:
        ParameterError: the script cannot be read, is huge, or is in no encoding that Python would find out.
    """
    if settings.code is not None:
        return settings.code.encode()  # cannot fail: the command line was checked to be UTF-8
    if settings.script is None:
        return b""
    path = settings.script
    source = _read_file(path)
    if len(source) > MAX_SCRIPT:
        raise ParameterError(f"--py-file {path} has more than {MAX_SCRIPT} bytes: make it a module of the server")
    _check_encoding(path, source)
    return source


def _read_file(path: str) -> bytes:
    try:
        # Without O_NONBLOCK, opening a FIFO would wait for a writer, for ever.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ParameterError(f"--py-file {path} is no regular file: save the script to one")
            return file.read(MAX_SCRIPT + 1)
    except OSError as exc:
        raise ParameterError(f"--py-file {path} cannot be read: {exc.strerror}") from exc


def _check_encoding(path: str, source: bytes) -> None:
    try:
        source.decode()
    except UnicodeDecodeError as exc:
        import io
        import tokenize

        try:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
            source.decode(encoding)
        except (SyntaxError, UnicodeDecodeError):
            line = source[: exc.start].count(b"\n") + 1
            raise ParameterError(
                f"--py-file {path} is not UTF-8 (byte 0x{source[exc.start]:02x} in line {line}): save it as UTF-8, or"
                " declare its encoding in the first line (PEP 263)"
            ) from exc


def choose_name(settings: LaunchSettings) -> str:
    """The job's name: as given, else the module's id, the script's file name, or ``code``."""
    if settings.name:
        return settings.name
    if settings.script is None:
        return settings.module or "code"
    name = "".join(c if c.isascii() and (c.isalnum() or c in "_.-") else "_" for c in os.path.basename(settings.script))
    return name.lstrip(".-")[:128] or "script"


def make_job_id(milliseconds: int, random: bytes) -> str:
    """A job's id: a ULID, 48 bits of time and 80 of randomness in Crockford's base 32 (github.com/ulid/spec)."""
    number = (milliseconds & (1 << 48) - 1) << 80 | int.from_bytes(random, "big")
    return "".join(CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))
