"""Who we are to the grid: the user's certificate, or a token made with it; looked at before the server sees it."""

import os
import stat
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from headless.grid.certificate import Validity, is_encrypted, read_user, read_validity
from headless.grid.errnos import EINVAL, EKEYEXPIRED, ENOKEY
from headless.grid.messages import GridError
from headless.grid.settings import ClientSettings

__all__ = ["PEM", "TOKEN", "USER", "Credentials", "choose_credentials", "load_credentials", "tell_other_user"]

USER, TOKEN = "user certificate", "token"
LEAST_TOKEN_S = 600  # as alien.py has it
RENEWED_AT = 0.25  # of a token's life: a month's token is renewed when it has a week left
SIZE_LIMIT = 1 << 20
PEM = "-----BEGIN "


@dataclass(frozen=True)
class Credentials:
    """A certificate with its key.

    Attributes:
        kind: ``USER`` or ``TOKEN``.
        certificate: path of the certificate, PEM.
        key: path of the key.
        validity: of the certificate.
        has_passphrase: whether the key has one.
        ask: returns the passphrase, which is asked once, and on a terminal only.
        holders: what keeps the paths alive, where they came as text.
    """

    kind: str
    certificate: str
    key: str
    validity: Validity
    has_passphrase: bool
    ask: Callable[[], bytes]
    holders: tuple[object, ...] = field(default=(), repr=False)

    @property
    def remaining_s(self) -> float:
        """Seconds until the certificate ends."""
        return self.validity.end - time.time()


def choose_credentials(settings: ClientSettings) -> Credentials:
    """The token, if it is good for some time yet; else the user's certificate.

    A token near its end gives way to the user's certificate, with which a new one is had, if nobody need type anything.

    Raises:
        GridError: ENOKEY, EKEYEXPIRED or EINVAL: neither is of any use.
    """
    try:
        token = load_credentials(settings, TOKEN)
    except GridError as no_token:
        try:
            return load_credentials(settings, USER)
        except GridError as exc:
            if no_token.exit_code == ENOKEY:
                raise
            raise GridError(exc.exit_code, f"{exc}; and {no_token}") from exc
    life_s = token.validity.end - token.validity.begin
    if token.remaining_s > life_s * RENEWED_AT:
        return token
    try:
        user = load_credentials(settings, USER)
    except GridError:
        return token
    return token if user.has_passphrase else user


def load_credentials(settings: ClientSettings, kind: str) -> Credentials:
    """Look at one of the two pairs.

    Raises:
        GridError: it is missing (ENOKEY), over (EKEYEXPIRED), or of no use (EINVAL).
    """
    pair = (
        (settings.token_certificate, settings.token_key)
        if kind == TOKEN
        else (settings.user_certificate, settings.user_key)
    )
    certificate, certificate_text, holder = _take(kind, pair[0], is_secret=False)
    key, key_text, key_holder = _take(f"key of the {kind}", pair[1], is_secret=True)
    try:
        validity = read_validity(certificate_text)
    except ValueError as exc:
        raise GridError(EINVAL, f"the {kind} {certificate} {exc}") from exc
    _check_time(kind, certificate, validity)
    encrypted = is_encrypted(key_text)
    return Credentials(kind, certificate, key, validity, encrypted, _make_asker(key), (holder, key_holder))


def tell_other_user(settings: ClientSettings, credentials: Credentials) -> str:
    """A line, where a token counts that is another user's than the certificate that was named; else empty.

    That the token counts is alien.py's order. Where it lies by default, another user's may have been left behind.
    """
    if credentials.kind != TOKEN or not settings.is_user_named:
        return ""
    try:
        token, user = (
            read_user(_take(kind, path, is_secret=False)[1])
            for kind, path in ((TOKEN, credentials.certificate), (USER, settings.user_certificate))
        )
    except (GridError, ValueError):
        return ""
    if token == user or not (token and user):
        return ""
    return (
        f"you work as {token}: the token {settings.token_certificate} counts, and not X509_USER_CERT, which is"
        f" {user}'s; 'headless grid token-destroy' removes the token, JALIEN_TOKEN_CERT and JALIEN_TOKEN_KEY name"
        " another"
    )


def _check_time(kind: str, certificate: str, validity: Validity) -> None:
    now = time.time()
    if validity.end - now < (LEAST_TOKEN_S if kind == TOKEN else 0):
        ended = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(validity.end))
        what = "get a new one: headless grid token-init" if kind == TOKEN else "get a new one of your authority"
        raise GridError(EKEYEXPIRED, f"the {kind} {certificate} ends, or ended, at {ended}: {what}")
    if validity.begin > now + 300:  # clocks differ
        raise GridError(EINVAL, f"the {kind} {certificate} is not valid yet: check this machine's clock")


def _take(what: str, value: str, *, is_secret: bool) -> tuple[str, str, object]:
    """The path of a PEM file, its text, and what keeps the path alive."""
    if value.startswith(PEM):
        path, holder = _keep(value)
        return path, value, holder
    try:
        with open(value, encoding="latin-1", opener=_open_quietly) as file:
            _check_file(what, value, os.fstat(file.fileno()), is_secret=is_secret)
            return value, file.read(SIZE_LIMIT), None
    except FileNotFoundError as exc:
        raise GridError(ENOKEY, f"there is no {what} at {value}") from exc
    except OSError as exc:
        raise GridError(EINVAL, f"the {what} {value} cannot be read: {exc.strerror}") from exc


def _open_quietly(path: str, flags: int) -> int:
    """A pipe in its place does not hold us up."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))


def _check_file(what: str, path: str, status: os.stat_result, *, is_secret: bool) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise GridError(EINVAL, f"the {what} {path} is no regular file")
    if sys.platform == "win32":
        return
    if status.st_uid not in (os.geteuid(), 0):
        raise GridError(EINVAL, f"the {what} {path} belongs to another user: it is not used")
    if is_secret and status.st_mode & 0o077:
        import shlex

        mode = stat.S_IMODE(status.st_mode)
        raise GridError(EINVAL, f"the {what} is open to others (mode {mode:04o}): chmod 400 {shlex.quote(path)}")


def _keep(text: str) -> tuple[str, object]:
    """A path for a text that only this process can read, and that is gone with it however it ends."""
    data = text.encode("latin-1", errors="replace")
    if sys.platform == "linux":
        memory = os.fdopen(os.memfd_create("headless-grid"), "r+b", buffering=0)
        memory.write(data)
        return f"/proc/self/fd/{memory.fileno()}", memory
    import tempfile

    folder = tempfile.TemporaryDirectory(prefix="headless-grid-")  # 0700
    path = os.path.join(folder.name, "pem")
    with open(path, "wb", opener=lambda name, flags: os.open(name, flags | os.O_EXCL, 0o400)) as file:
        file.write(data)
    return path, folder


def _make_asker(key: str) -> Callable[[], bytes]:
    """A passphrase is typed once for all sessions of a process, and is never read from a pipe."""
    answers: list[bytes] = []

    def ask() -> bytes:
        if not answers:
            if sys.stdin is None or not sys.stdin.isatty():
                raise GridError(
                    EINVAL, f"the key {key} has a passphrase, and there is no terminal to ask for it: get a token first"
                    " at one, headless grid token-init",
                )  # fmt: skip
            import getpass

            answers.append(getpass.getpass(f"Passphrase of {key}: ").encode())
        return answers[0]

    return ask
