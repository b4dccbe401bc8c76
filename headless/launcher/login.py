"""Logging in, and making the secret file at the first run."""

import os
import sys
from typing import Any

from headless.config import Environment
from headless.errors import ParameterError, Refused
from headless.launcher.link import Link, read_text
from headless.launcher.settings import SessionSettings
from headless.launcher.talk import Talk

__all__ = ["ask_secret", "check_secret", "explain_refusal", "log_in", "os_user"]


def os_user() -> str:
    """The OS user's name.

    Raises:
        ParameterError: the system knows none for this process.
    """
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError) as exc:
        raise ParameterError("this process has no OS user name: give --user NAME") from exc


def check_secret(settings: SessionSettings, environment: Environment) -> bytes | None:
    """Read the secret before anything is connected; ``None`` if it is to be made, or none is needed.

    Raises:
        ParameterError: it is of no use, or missing and nobody is there to type the password.
    """
    if settings.auth_type != "challenge":
        return None
    from headless.launcher.secret import check_folder, read_secret

    if not os.path.lexists(settings.secret) and sys.stdin is not None and sys.stdin.isatty():
        check_folder(settings.secret)
        return None
    return read_secret(settings.secret, environment.credentials)


def log_in(link: Link, settings: SessionSettings, secret: bytes | None, talk: Talk) -> None:
    """Log in over a fresh link.

    Raises:
        Refused: the server does not take it, or is not the one it claims to be.
        ConnectionFailed: the connection is lost.
    """
    if secret is not None:
        user = settings.user or os_user()
        answer = _challenge(link, user, secret, settings)
    else:
        answer = link.call(f"login.{settings.auth_type}", {"user": settings.user})
        user = read_text(answer, "user")
    limit = answer.get("max_script")
    link.max_script = limit if isinstance(limit, int) else None
    link.expect_pings(answer.get("ping_s"))
    talk.info(f"logged in as {user} ({settings.auth_type})")


def _challenge(link: Link, user: str, secret: bytes, settings: SessionSettings) -> dict[str, Any]:
    from headless.protocol.codec import encode_bytes
    from headless.protocol.scram import ClientExchange

    binding = None
    if link.certificate is not None and not settings.is_proxied:
        from headless.protocol.binding import compute_end_point

        binding = compute_end_point(link.certificate)
    exchange = ClientExchange(user, secret, encode_bytes(os.urandom(24)), binding)
    first = link.call("login.challenge", {"client_first": exchange.first()})
    final = exchange.respond(read_text(first, "server_first"))
    answer = link.call("login.proof", {"client_final": final})
    exchange.verify(read_text(answer, "server_final"))
    return answer


def ask_secret(link: Link, settings: SessionSettings) -> bytes:
    """Ask for the password and hash it with the user's salt; the password goes nowhere. Closes the link.

    Without a checked chain the server could be anybody, and could guess the password from the proof of a cheap hash:
    a person looks at the fingerprint, once, as with ssh. The caller owes that the login goes to the same server.

    Raises:
        Refused: the person does not know the certificate.
        ParameterError: the password or the server's salt is of no use.
    """
    from headless.launcher.secret import check_salt, hash_password

    user = settings.user or os_user()
    salt = check_salt(read_text(link.call("login.salt", {"user": user}), "salt"))
    link.close()  # the server waits some seconds for a login; a person takes longer
    if link.certificate is not None and not settings.checks_chain:
        _confirm(link.certificate, str(settings.service))
    return hash_password(_read_password(f"Password of {user}: "), salt)


def explain_refusal(link: Link, settings: SessionSettings, secret: bytes) -> str:
    """What to do about a refused secret, as far as can be known: whether it was made with the salt of this user."""
    from headless.launcher.secret import salt_of

    user = settings.user or os_user()
    if read_text(link.call("login.salt", {"user": user}), "salt") != salt_of(secret):
        return (
            f"the secret file {settings.secret} was not made for user {user} on this server, or the user is unknown or"
            " disabled there: check --user and --secret, and 'headless user list' on the server"
        )
    return f"see 'headless user list' on the server, or create {settings.secret} anew at a terminal"


def _confirm(certificate: bytes, server: str) -> None:
    from headless.protocol.binding import format_fingerprint

    answer = _ask(
        f"The server {server} shows a certificate with the SHA-256 fingerprint\n"
        f"  {format_fingerprint(certificate)}\n"
        "The server's log has it in its line action=certificate. Is it the same (yes/no)? "
    )
    if answer.strip().lower() != "yes":
        raise Refused("the certificate was not confirmed: no secret file was made")


def _ask(question: str) -> str:
    if sys.stderr is not None:
        sys.stderr.write(question)
        sys.stderr.flush()
    return sys.stdin.readline()


def _read_password(prompt: str) -> str:
    import getpass

    try:
        return getpass.getpass(prompt)
    except EOFError as exc:
        raise ParameterError("no password was typed: no secret file was made") from exc
    except UnicodeDecodeError as exc:
        raise ParameterError("the password is not in this terminal's encoding: no secret file was made") from exc
