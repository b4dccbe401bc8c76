"""Tokens: asked of the server with the user's certificate, and kept in two files that nobody else can read or plant."""

import contextlib
import os
import shlex
import stat
from collections.abc import Sequence

from headless.grid.credentials import PEM, USER, load_credentials
from headless.grid.errnos import EINVAL, EIO, ENOMSG
from headless.grid.messages import GridError, Reply
from headless.grid.session import GridSession
from headless.grid.settings import ClientSettings

__all__ = ["destroy_token", "init_token", "log_in"]


def log_in(settings: ClientSettings) -> GridSession:
    """A session; one that needed the user's certificate leaves a token for the next.

    Where none can be had, this one goes on without: only ``token-init`` must have it.

    Raises:
        GridError: there is no session to be had.
    """
    session = GridSession(settings)
    if session.credentials.kind == USER and not _is_kept(settings):
        with contextlib.suppress(GridError):
            _renew(session, ())
    return session


def init_token(settings: ClientSettings, options: Sequence[str]) -> Reply:
    """Make a new token with the user's certificate, whatever the old one is like.

    Raises:
        GridError: the certificate is of no use, the server refuses, or the files cannot be written.
    """
    if _is_kept(settings):
        raise GridError(
            EINVAL,
            "a token would not be written over JALIEN_TOKEN_CERT and JALIEN_TOKEN_KEY: they hold a text, or are the"
            " user's certificate itself; unset them",
        )
    with GridSession(settings, load_credentials(settings, USER)) as session:
        return _renew(session, options)


def destroy_token(settings: ClientSettings) -> None:
    """Remove the token's files; there may be none.

    Raises:
        GridError: one is there and stays.
    """
    if _is_kept(settings):
        raise GridError(EINVAL, "JALIEN_TOKEN_CERT and JALIEN_TOKEN_KEY are no files of a token: unset them")
    for path in (settings.token_key, settings.token_certificate):
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        except OSError as exc:
            raise GridError(exc.errno or EIO, f"{path} cannot be removed: {exc.strerror}") from exc


def _renew(session: GridSession, options: Sequence[str]) -> Reply:
    settings = session.settings
    reply = session.ask("token", "-nomsg", *options)
    row = reply.rows[0] if reply.rows else {}
    certificate, key = row.get("tokencert", ""), row.get("tokenkey", "")
    if not (certificate.startswith(PEM) and key.startswith(PEM)):
        raise GridError(ENOMSG, "the server's answer holds no token")
    # Whoever reads between the two finds a pair that does not match, and takes the user's certificate.
    _replace(settings.token_key, key)
    _replace(settings.token_certificate, certificate)
    return reply


def _is_kept(settings: ClientSettings) -> bool:
    """Whether these are no files of ours to write: texts, or the user's own pair under the token's name."""
    ours = (settings.token_certificate, settings.token_key)
    if any(value.startswith(PEM) for value in ours):
        return True
    users = {os.path.realpath(value) for value in (settings.user_certificate, settings.user_key)}
    return any(os.path.realpath(value) in users for value in ours)


def _replace(path: str, text: str) -> None:
    """Write beside it, 0400 from the first byte on, then rename: a link of that name is replaced, never followed.

    Raises:
        GridError: it cannot be, or others could change the file at will.
    """
    folder, name = os.path.split(os.path.abspath(path))
    try:
        _check_folder(folder)
        beside = os.path.join(folder, f".{name}.{os.urandom(8).hex()}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        descriptor = os.open(beside, flags, 0o400)
        try:
            with os.fdopen(descriptor, "w", encoding="latin-1") as file:
                file.write(text if text.endswith("\n") else text + "\n")
            os.replace(beside, path)
        except BaseException:
            os.unlink(beside)
            raise
    except OSError as exc:
        raise GridError(exc.errno or EIO, f"the token cannot be written to {path}: {exc.strerror}") from exc


def _check_folder(folder: str) -> None:
    """In a folder such as /tmp a file of ours stays ours only for the sticky bit."""
    status = os.stat(folder)
    if hasattr(os, "geteuid") and status.st_uid not in (os.geteuid(), 0):
        raise GridError(EINVAL, f"the token's folder {folder} belongs to another user: set TMPDIR to one of yours")
    if status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX:
        raise GridError(EINVAL, f"others may write the token's folder {folder}: chmod go-w {shlex.quote(folder)}")
