"""Opening a session: connect and log in, once or until it works."""

import functools
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from headless.config import Environment
from headless.errors import ConnectionFailed, HeadlessError, ProtocolError, Refused, Untrusted
from headless.launcher.link import Link
from headless.launcher.login import ask_secret, explain_refusal, log_in
from headless.launcher.settings import SessionSettings
from headless.launcher.talk import Talk
from headless.transport.address import UnixAddress
from headless.transport.client import Connection, connect

__all__ = ["Opener", "is_worth_another_try", "open_link"]

ANSWER_LIMIT_S = 30.0
ATTEMPT_LIMIT_S = 10.0
"""Seconds for one attempt to connect and log in: a server that was stopped takes connections and never answers."""


class Opener:
    """Opens the links of one command: the first one, and more when that is lost."""

    def __init__(self, settings: SessionSettings, environment: Environment, talk: Talk, secret: bytes | None) -> None:
        """Args:
        settings: where to, and how to log in.
        environment: for the embedded server.
        talk: is told of logins.
        secret: of ``check_secret``.
        """
        self._settings = settings
        self._environment = environment
        self._talk = talk
        self._secret = secret
        self._typed: tuple[bytes | None, bytes] | None = None  # the certificate that was confirmed, and the hash

    def open(self, deadline: float) -> Link:
        """Connect and log in, in one attempt. At a terminal the secret file is made, if there is none.

        Args:
            deadline: on the monotonic clock, in seconds; the attempt has a limit of its own too.

        Raises:
            ConnectionFailed: the server cannot be reached; ``is_worth_another_try`` says what that means.
            Refused: the login is.
            ParameterError: the secret file cannot be made.
        """
        needs_secret = self._secret is None and self._settings.auth_type == "challenge"
        if needs_secret and self._typed is None:
            link = self._connect(deadline)
            try:
                self._typed = (link.certificate, ask_secret(link, self._settings))
            finally:
                link.close()
            deadline = math.inf  # a person has taken the time; the attempt still has its own limit
        link = self._connect(deadline)
        try:
            if needs_secret:
                self._log_in_first(link)
            else:
                self._log_in(link)
        except BaseException:
            link.close()
            raise
        link.answer_limit_s, link.deadline = ANSWER_LIMIT_S, math.inf
        return link

    def _connect(self, deadline: float) -> Link:
        now = time.monotonic()
        until = min(deadline, now + ATTEMPT_LIMIT_S)
        link = Link(_connect(self._settings, self._environment, until), self._talk, ANSWER_LIMIT_S)
        link.deadline = until
        return link

    def _log_in_first(self, link: Link) -> None:
        """Log in with what was typed, and only then keep it."""
        from headless.launcher.secret import create_secret

        if self._typed is None:
            raise AssertionError("nothing was typed")
        known, password_hash = self._typed
        if link.certificate != known and not self._settings.checks_chain:
            raise Refused("the server now shows another certificate than before: no secret file was made")
        try:
            log_in(link, self._settings, password_hash, self._talk)
        except Refused as exc:
            raise Refused(f"{exc}: no secret file was made") from exc
        create_secret(self._settings.secret, password_hash)
        self._secret = password_hash
        self._talk.info(f"secret file {self._settings.secret} created")

    def _log_in(self, link: Link) -> None:
        """Log in; if that is refused, find out why."""
        try:
            log_in(link, self._settings, self._secret, self._talk)
        except Refused as exc:
            if self._secret is None:
                raise
            link.close()
            hint = self._explain(self._secret, link.deadline)
            raise Refused(f"{exc}: {hint}" if hint else str(exc)) from exc

    def _explain(self, secret: bytes, deadline: float) -> str:
        try:
            link = self._connect(deadline)
            try:
                return explain_refusal(link, self._settings, secret)
            finally:
                link.close()
        except HeadlessError:
            return ""


@contextmanager
def open_link(
    settings: SessionSettings,
    environment: Environment,
    talk: Talk,
    secret: bytes | None,
    *,
    latest: float = math.inf,
    is_patient: bool = True,
) -> Iterator[Link]:
    """A link that is logged in, tried for ``connect_for_s``; closed at the end. A lost one can be opened again.

    Args:
        settings: where to, and how to log in.
        environment: for the embedded server.
        talk: is told of logins, failures and messages.
        secret: of ``check_secret``.
        latest: when it is of no use any more, on the monotonic clock in seconds.
        is_patient: whether to try again what trying again may mend.

    Raises:
        ConnectionFailed: the server cannot be reached.
        Refused: the login is.
        ParameterError: the secret file cannot be made.
    """
    opener = Opener(settings, environment, talk, secret)
    deadline = min(time.monotonic() + settings.connect_for_s, latest)
    try:
        link = opener.open(deadline)
    except ConnectionFailed as exc:
        if not is_patient:
            raise
        from headless.launcher.attempts import Attempts

        link = Attempts(talk).repeat(lambda: opener.open(deadline), exc, deadline)
    link.reopen = functools.partial(_reopen, opener, link)
    try:
        yield link
    finally:
        link.close()


def _reopen(opener: Opener, link: Link, deadline: float) -> None:
    link.close()
    link.adopt(opener.open(deadline))


def is_worth_another_try(error: HeadlessError) -> bool:
    """Whether the same once more may work: not where something else answers, or the wrong one."""
    return isinstance(error, ConnectionFailed) and not isinstance(error, ProtocolError | Untrusted)


def _connect(settings: SessionSettings, environment: Environment, deadline: float) -> Connection:
    if settings.service is not None:
        return connect(settings.service, _tls(settings), deadline - time.monotonic())
    from headless.launcher.embedded import embedded_addresses, ensure_server  # with subprocess, which costs 4 ms

    for address in embedded_addresses(environment):
        if os.path.exists(address.path):
            try:
                return connect(address, None, deadline - time.monotonic(), own=True)
            except ConnectionFailed:
                continue  # it has ended meanwhile
    found = ensure_server(environment, deadline - time.monotonic())
    return connect(found, None, deadline - time.monotonic(), own=True)


def _tls(settings: SessionSettings) -> Any:
    if isinstance(settings.service, UnixAddress):
        return None
    from headless.transport.tls import ClientTls

    return ClientTls(
        check_chain=settings.checks_chain,
        ca_file=settings.ca_file or None,
        certificate=settings.certificate or None,
        key=settings.key or None,
    )
