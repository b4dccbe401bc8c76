"""Logging in, and making the secret file at the first run."""

import getpass
import os
import sys

from headless.errors import ParameterError, Refused
from headless.launcher.link import Link, read_text
from headless.launcher.secret import check_salt, create_secret, hash_password, read_secret, salt_of
from headless.launcher.settings import LaunchSettings
from headless.launcher.talk import Talk

__all__ = ["check_secret", "explain_refusal", "log_in", "os_user"]


def os_user() -> str:
    """The OS user's name.

    Raises:
        ParameterError: the system knows none for this process.
    """
    try:
        return getpass.getuser()
    except (KeyError, OSError) as exc:
        raise ParameterError("this process has no OS user name: give --user NAME") from exc


def check_secret(settings: LaunchSettings) -> bytes | None:
    """Read the secret before anything is connected; ``None`` if it is to be made, or none is needed.

    Raises:
        ParameterError: it is of no use, or missing and nobody is there to type the password.
    """
    if settings.auth_type != "challenge":
        return None
    if not os.path.lexists(settings.secret) and _has_terminal():
        return None
    return read_secret(settings.secret)


def log_in(link: Link, settings: LaunchSettings, secret: bytes | None, talk: Talk) -> None:
    """Log in over a fresh link; at a terminal, make the secret file if there is none.

    Raises:
        Refused: the server does not take it, or is not the one it claims to be.
        ParameterError: the secret cannot be made.
        ConnectionFailed: the connection is lost.
    """
    if settings.auth_type == "challenge":
        user = settings.user or os_user()
        created = None
        if secret is None:
            secret = created = _make_secret(link, user, settings)
        _challenge(link, user, secret, settings)
        if created is not None:
            create_secret(settings.secret, created)
            talk.info(f"secret file {settings.secret} created")
    else:
        user = read_text(link.call(f"login.{settings.auth_type}", {"user": settings.user}), "user")
    talk.info(f"logged in as {user} ({settings.auth_type})")


def _challenge(link: Link, user: str, secret: bytes, settings: LaunchSettings) -> None:
    from headless.protocol.codec import encode_bytes
    from headless.protocol.scram import ClientExchange

    binding = None
    if link.certificate is not None and not settings.is_proxied:
        from headless.protocol.binding import compute_end_point

        binding = compute_end_point(link.certificate)
    exchange = ClientExchange(user, secret, encode_bytes(os.urandom(24)), binding)
    first = link.call("login.challenge", {"client_first": exchange.first()})
    final = exchange.respond(read_text(first, "server_first"))
    exchange.verify(read_text(link.call("login.proof", {"client_final": final}), "server_final"))


def _make_secret(link: Link, user: str, settings: LaunchSettings) -> bytes:
    """Ask for the password and hash it with the user's salt; the password goes nowhere.

    Without a checked chain the server could be anybody, and could guess the password from the proof of a cheap hash:
    a person looks at the fingerprint, once, as with ssh.
    """
    if link.certificate is not None and not settings.ca_file:
        from headless.protocol.binding import format_fingerprint

        print(f"The server {settings.service} shows a certificate with the SHA-256 fingerprint", file=sys.stderr)  # noqa: T201
        print(f"  {format_fingerprint(link.certificate)}", file=sys.stderr)  # noqa: T201
        print("Compare it with the server's log line 'action=certificate'.", file=sys.stderr)  # noqa: T201
        if _ask("Is it the right one (yes/no)? ").strip().lower() != "yes":
            raise Refused("the certificate was not confirmed: no secret file was made")
    salt = check_salt(read_text(link.call("login.salt", {"user": user}), "salt"))
    return hash_password(_read_password(f"Password of {user}: "), salt)


def explain_refusal(link: Link, settings: LaunchSettings, secret: bytes) -> str:
    """What to do about a refused secret, as far as can be known: whether it was made with the salt of this user."""
    user = settings.user or os_user()
    if read_text(link.call("login.salt", {"user": user}), "salt") != salt_of(secret):
        return (
            f"the secret file {settings.secret} was not made for user {user} on this server: remove it and create it"
            " anew at a terminal, or give the right --user or --secret"
        )
    return f"see 'headless user list' on the server, or create {settings.secret} anew at a terminal"


def _has_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _ask(question: str) -> str:
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline()


def _read_password(prompt: str) -> str:
    try:
        return getpass.getpass(prompt)
    except (EOFError, KeyboardInterrupt) as exc:
        raise ParameterError("no password was typed: no secret file was made") from exc
