"""The secret file: the bcrypt hash text that logs a launcher in. Read with suspicion, written once.

The checks are those of ssh's StrictModes: what others can read or replace is no secret.
"""

import os
import re
import stat
import sys

from headless.errors import ParameterError

__all__ = ["BCRYPT_HASH", "MAX_PASSWORD", "create_secret", "hash_password", "read_secret", "salt_of"]

BCRYPT_HASH = re.compile(rb"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}")
SALT = re.compile(r"\$2b\$(\d\d)\$[./A-Za-z0-9]{22}")
MIN_COST = 10  # a server in the middle could ask for a cheap hash, to guess the password from the proof
MAX_COST = 16  # some seconds; more would only keep the launcher busy
MAX_PASSWORD = 72  # bytes; bcrypt takes no more
SIZE_LIMIT = 4096


def read_secret(path: str) -> bytes:
    """Return the hash text in a secret file.

    Raises:
        ParameterError: it is missing, not a plain file of this user or root, open to others, or holds something else.
        The message names the command that mends it.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError as exc:
        raise ParameterError(
            f"secret file {path} is missing: run this once at a terminal to create it, or see 'headless user add"
            " --secret-out'"
        ) from exc
    except OSError as exc:
        reason = "it is a link: give the file itself" if os.path.islink(path) else exc.strerror
        raise ParameterError(f"secret file {path}: {reason}") from exc
    try:
        _check_file(path, os.fstat(descriptor))
        _check_folder(path)
        data = os.read(descriptor, SIZE_LIMIT)
    finally:
        os.close(descriptor)
    text = data.removesuffix(b"\n").removesuffix(b"\r")
    if not BCRYPT_HASH.fullmatch(text):
        what = "is empty" if not text else "has more than one line" if b"\n" in text else "holds no bcrypt hash"
        raise ParameterError(f"secret file {path} {what}: remove it and create it anew at a terminal")
    return text


def create_secret(path: str, text: bytes) -> None:
    """Create a secret file: 0400 from its first byte on, never over another file, on disk when this returns.

    Raises:
        ParameterError: there is something of that name, or the folder cannot be written.
    """
    folder = os.path.dirname(os.path.abspath(path))
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o400)
    except FileExistsError as exc:
        raise ParameterError(f"{path} exists already: remove it first, or choose another name") from exc
    except OSError as exc:
        raise ParameterError(f"secret file {path} cannot be created: {exc.strerror}") from exc
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if sys.platform != "win32":
            parent = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(parent)
            finally:
                os.close(parent)
    except OSError as exc:
        os.unlink(path)
        raise ParameterError(f"secret file {path} cannot be written: {exc.strerror}") from exc


def hash_password(password: str, salt: str) -> bytes:
    """Hash a password with a salt that a server has sent.

    Raises:
        ParameterError: the password is empty, too long, or holds a NUL.
        Refused: the salt is none, or its cost is out of bounds: the server may be up to something.
    """
    import bcrypt

    data = password.encode()
    if not data:
        raise ParameterError("the password is empty")
    if len(data) > MAX_PASSWORD:
        raise ParameterError(
            f"the password has {len(data)} bytes, bcrypt takes at most {MAX_PASSWORD}: choose a shorter one"
        )
    if b"\0" in data:
        raise ParameterError("the password holds a NUL character: choose another one")
    return bcrypt.hashpw(data, check_salt(salt).encode())


def check_salt(salt: str) -> str:
    """Return a server's salt if it is safe to use.

    Raises:
        ParameterError: it is none, or its cost is out of bounds.
    """
    match = SALT.fullmatch(salt)
    if match is None:
        raise ParameterError("the server's salt is no bcrypt salt: do not trust this server")
    cost = int(match[1])
    if not MIN_COST <= cost <= MAX_COST:
        raise ParameterError(
            f"the server asks for bcrypt cost {cost}, allowed are {MIN_COST} to {MAX_COST}: do not trust this server"
        )
    return salt


def salt_of(secret: bytes) -> str:
    """The salt and cost in a hash text."""
    return secret[:29].decode()


def _check_file(path: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ParameterError(f"secret file {path} is no regular file")
    if sys.platform == "win32":
        return  # the mode means nothing there: docs/security.md tells what to check
    if status.st_uid not in (os.geteuid(), 0):
        raise ParameterError(f"secret file {path} belongs to another user: chown {os.geteuid()} {path}")
    if status.st_mode & 0o077:
        raise ParameterError(
            f"secret file {path} is open to others (mode {stat.S_IMODE(status.st_mode):04o}): chmod 400 {path}"
        )
    if status.st_nlink > 1:
        raise ParameterError(f"secret file {path} has another name too (a hard link): remove one of them")


def _check_folder(path: str) -> None:
    """Nobody else may be able to put another file in its place, in any of the folders above it."""
    if sys.platform == "win32":
        return
    folder = os.path.dirname(os.path.realpath(path))
    while True:
        status = os.stat(folder)
        if status.st_uid not in (os.geteuid(), 0):
            raise ParameterError(f"secret file {path}: its folder {folder} belongs to another user: move it elsewhere")
        if status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX:
            raise ParameterError(f"secret file {path}: others may write its folder {folder}: chmod go-w {folder}")
        if folder == os.path.dirname(folder):
            return
        folder = os.path.dirname(folder)
