"""The secret file: the bcrypt hash text that logs a launcher in. Read with suspicion, written once.

The checks are those of ssh's StrictModes: what others can read or replace is no secret.
"""

import os
import re
import stat
import sys

from headless.errors import ParameterError
from headless.execution.files import sync_folder

__all__ = [
    "MAX_PASSWORD",
    "check_folder",
    "check_salt",
    "create_secret",
    "hash_password",
    "read_secret",
    "salt_of",
]

BCRYPT_HASH = rb"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}"
SALT = r"\$2b\$(\d\d)\$[./A-Za-z0-9]{22}"
MIN_COST = 10  # a server in the middle could ask for a cheap hash, to guess the password from the proof
MAX_COST = 16  # some seconds; more would only keep the launcher busy
MAX_PASSWORD = 72  # bytes; bcrypt takes no more
SIZE_LIMIT = 4096


def read_secret(path: str, credentials: str = "") -> bytes:
    """Return the hash text in a secret file.

    Args:
        path: of the file.
        credentials: the folder of systemd's credentials, or empty. There the manager itself keeps others out; what
            looks like the group's right to read may be the mask of the ACL that lets this user in.

    Raises:
        ParameterError: it is missing, not a plain file of this user or root, open to others, or holds something else.
        The message names the command that mends it.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError as exc:
        raise ParameterError(f"secret file {path} {_explain(path, exc)}") from exc
    try:
        is_credential = bool(credentials) and os.path.dirname(os.path.abspath(path)) == os.path.abspath(credentials)
        _check_file(path, os.fstat(descriptor), 0o037 if is_credential else 0o077)
        check_folder(path)
        data = os.read(descriptor, SIZE_LIMIT)
    finally:
        os.close(descriptor)
    text = data.removesuffix(b"\n").removesuffix(b"\r")
    if not re.fullmatch(BCRYPT_HASH, text):
        what = "is empty" if not text else "has more than one line" if b"\n" in text else "holds no bcrypt hash"
        raise ParameterError(f"secret file {path} {what}: rm {_quote(path)}, then run this at a terminal once")
    return text


def create_secret(path: str, text: bytes) -> None:
    """Create a secret file: 0400 from its first byte on, never over another file, on disk when this returns.

    Raises:
        ParameterError: there is something of that name, or the folder cannot be written.
    """
    folder = os.path.dirname(os.path.abspath(path))
    try:
        if not os.path.isdir(folder):
            os.makedirs(folder, mode=0o700)
    except OSError as exc:
        raise ParameterError(f"folder {folder} of the secret file cannot be made: {exc.strerror}") from exc
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o400)
    except FileExistsError as exc:
        raise ParameterError(f"{path} exists already: remove it first, or choose another name") from exc
    except OSError as exc:
        raise ParameterError(f"secret file {path} cannot be created: {exc.strerror}") from exc
    try:
        _write_synced(descriptor, text + b"\n", folder)
    except BaseException as exc:
        os.unlink(path)  # half a secret file would only stand in the way of the next one
        if isinstance(exc, OSError):
            raise ParameterError(f"secret file {path} cannot be written: {exc.strerror}") from exc
        raise


def hash_password(password: str, salt: str) -> bytes:
    """Hash a password with a salt that a server has sent.

    Raises:
        ParameterError: the password is empty, too long, no text, or holds a NUL; or the salt is not safe to use.
    """
    import bcrypt

    try:
        data = password.encode()
    except UnicodeEncodeError as exc:
        raise ParameterError("the password is not in UTF-8: choose another one, or set LANG") from exc
    if not data:
        raise ParameterError("the password is empty: type at least one character")
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
        ParameterError: it is none, or its cost is out of bounds: the server may be up to something.
    """
    match = re.fullmatch(SALT, salt)
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


def check_folder(path: str) -> None:
    """Check that nobody else could put another secret file in its place, in any of the folders above it that exist.

    Raises:
        ParameterError: somebody could.
    """
    if sys.platform == "win32":
        return
    folder = os.path.dirname(os.path.realpath(path))
    while True:
        if os.path.exists(folder):
            status = os.stat(folder)
            if status.st_uid not in (os.geteuid(), 0):
                raise ParameterError(
                    f"secret file {path}: its folder {folder} belongs to another user: mv it to a folder of yours"
                )
            if status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX:
                raise ParameterError(
                    f"secret file {path}: others may write its folder {folder}: chmod go-w {_quote(folder)}"
                )
        if folder == os.path.dirname(folder):
            return
        folder = os.path.dirname(folder)


def _explain(path: str, exc: OSError) -> str:
    """Why it cannot be opened, and what mends that."""
    if isinstance(exc, FileNotFoundError):
        return "is missing: run this once at a terminal to create it, or see 'headless user add --secret-out'"
    if os.path.islink(path):
        return f"is a link: give the file itself, --secret {_quote(os.path.realpath(path))}"
    if isinstance(exc, PermissionError) and sys.platform != "win32":
        return f"cannot be read by this user: chown {os.geteuid()} {_quote(path)}"
    return f"cannot be read: {exc.strerror}"


def _check_file(path: str, status: os.stat_result, forbidden: int) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise ParameterError(f"secret file {path} is a folder: give the file in it with --secret")
    if not stat.S_ISREG(status.st_mode):
        raise ParameterError(f"secret file {path} is no regular file: give one with --secret")
    if sys.platform == "win32":
        return  # the mode means nothing there: docs/security.md tells what to check
    if status.st_uid not in (os.geteuid(), 0):
        raise ParameterError(f"secret file {path} belongs to another user: chown {os.geteuid()} {_quote(path)}")
    if status.st_mode & forbidden:
        mode = stat.S_IMODE(status.st_mode)
        raise ParameterError(f"secret file {path} is open to others (mode {mode:04o}): chmod 400 {_quote(path)}")
    if status.st_nlink > 1:
        raise ParameterError(
            f"secret file {path} has another name too, a hard link: rm the one that"
            f" find / -xdev -samefile {_quote(path)} names"
        )


def _write_synced(descriptor: int, data: bytes, folder: str) -> None:
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(folder)


def _quote(path: str) -> str:
    import shlex

    return shlex.quote(path)
