"""One launch: connect, log in, start the job, wait as long as told, say how it ended."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from headless.config import Environment
from headless.errors import (
    ConnectionFailed,
    HeadlessError,
    OutcomeUnknown,
    ParameterError,
    Refused,
    Unavailable,
)
from headless.launcher.interrupts import catch_interrupts
from headless.launcher.link import Link
from headless.launcher.login import ask_secret, check_secret, explain_refusal, log_in
from headless.launcher.settings import LaunchSettings, SessionSettings
from headless.launcher.sinks import open_sinks
from headless.launcher.source import choose_name, make_job_id, read_source
from headless.launcher.talk import Talk
from headless.protocol.codec import encode_bytes
from headless.transport.address import UnixAddress
from headless.transport.client import Connection, connect

__all__ = ["check_job", "open_link", "run_job"]

UPLOAD_PIECE = 512 * 1024
ANSWER_LIMIT_S = 30.0
PONG_INTERVAL_S = 1.0  # the server closes a session that leaves its pings unanswered for 40 s


def run_job(settings: LaunchSettings, environment: Environment, talk: Talk) -> int:
    """Run one job; return the launcher's exit code where it is not an error's.

    Raises:
        HeadlessError: with the exit code that tells what happened.
    """
    _check_unit(settings, environment)
    secret = check_secret(settings, environment)
    source = read_source(settings)
    sinks = open_sinks(settings)
    job_id = make_job_id(time.time_ns() // 1_000_000, os.urandom(10))
    with catch_interrupts() as interrupts, open_link(settings, environment, talk, secret) as link:
        _check_size(link, settings, source)
        if settings.stdin:
            _upload_stdin(link, job_id)
        interrupts.truth = f"job {job_id} may have been started"
        _start(link, settings, job_id, source)
        interrupts.truth = f"job {job_id} goes on"
        talk.info(f"job {job_id} accepted")
        if settings.timeout_s is None:
            return 0
        from headless.launcher.wait import Wait  # while the job runs, an import takes no time

        return Wait(link, settings, talk, job_id, sinks).run()


def check_job(settings: LaunchSettings, environment: Environment, talk: Talk) -> None:
    """Do all that a launch does, but start the job: ask only whether it would be allowed.

    Raises:
        HeadlessError: as :func:`run_job` would.
    """
    _check_unit(settings, environment)
    secret = check_secret(settings, environment)
    source = read_source(settings)
    open_sinks(settings)
    with catch_interrupts(), open_link(settings, environment, talk, secret) as link:
        _check_size(link, settings, source)
        link.call("job.check", {"kind": settings.kind, "module": settings.module or ""})


@contextmanager
def open_link(settings: SessionSettings, environment: Environment, talk: Talk, secret: bytes | None) -> Iterator[Link]:
    """A link that is logged in; closed at the end. At a terminal the secret file is made, if there is none.

    Raises:
        ConnectionFailed: the server cannot be reached.
        Refused: the login is.
        ParameterError: the secret file cannot be made.
    """
    link = Link(_connect(settings, environment), talk, settings.connect_for_s)
    try:
        if secret is None and settings.auth_type == "challenge":
            known, password_hash = link.certificate, ask_secret(link, settings)
            link = Link(_connect(settings, environment), talk, settings.connect_for_s)
            if link.certificate != known and not settings.checks_chain:
                raise Refused("the server now shows another certificate than before: no secret file was made")
            _log_in_first(link, settings, password_hash, talk)
        else:
            try:
                _log_in(link, settings, environment, secret, talk)
            except ConnectionFailed:
                if settings.service is not None:
                    raise
                link.close()  # an embedded server that was about to end: the next one takes its place
                link = Link(_connect(settings, environment), talk, settings.connect_for_s)
                log_in(link, settings, secret, talk)
        link.answer_limit_s = ANSWER_LIMIT_S
        yield link
    finally:
        link.close()


def _log_in_first(link: Link, settings: SessionSettings, password_hash: bytes, talk: Talk) -> None:
    """Log in with what was typed, and only then keep it."""
    from headless.launcher.secret import create_secret

    try:
        log_in(link, settings, password_hash, talk)
    except Refused as exc:
        raise Refused(f"{exc}: no secret file was made") from exc
    create_secret(settings.secret, password_hash)
    talk.info(f"secret file {settings.secret} created")


def _log_in(link: Link, settings: SessionSettings, environment: Environment, secret: bytes | None, talk: Talk) -> None:
    """Log in; if that is refused, find out why."""
    try:
        log_in(link, settings, secret, talk)
    except Refused as exc:
        if secret is None:
            raise
        link.close()
        hint = _explain(settings, environment, talk, secret)
        raise Refused(f"{exc}: {hint}" if hint else str(exc)) from exc


def _connect(settings: SessionSettings, environment: Environment) -> Connection:
    if settings.service is not None:
        return connect(settings.service, _tls(settings), settings.connect_for_s)
    from headless.launcher.embedded import embedded_addresses, ensure_server  # with subprocess, which costs 4 ms

    for address in embedded_addresses(environment):
        if os.path.exists(address.path):
            try:
                return connect(address, None, settings.connect_for_s, own=True)
            except ConnectionFailed:
                continue  # it has ended meanwhile
    return connect(ensure_server(environment), None, settings.connect_for_s, own=True)


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


def _explain(settings: SessionSettings, environment: Environment, talk: Talk, secret: bytes) -> str:
    try:
        link = Link(_connect(settings, environment), talk, settings.connect_for_s)
        try:
            return explain_refusal(link, settings, secret)
        finally:
            link.close()
    except HeadlessError:
        return ""


def _check_unit(settings: LaunchSettings, environment: Environment) -> None:
    if settings.service is None and settings.timeout_s is None and environment.is_in_unit:
        raise ParameterError(
            "inside a systemd service the embedded server would be killed with the service, and the job with it:"
            " add --timeout -1 to wait for the job, or give --service"
        )


def _check_size(link: Link, settings: LaunchSettings, source: bytes) -> None:
    """A message that is too large ends the session, and whether it did anything could not be told."""
    if link.max_script is not None and len(source) > link.max_script:
        raise ParameterError(
            f"the {settings.kind} has {len(source)} bytes, the server takes at most {link.max_script} (max_script):"
            " make it a module of the server"
        )


def _start(link: Link, settings: LaunchSettings, job_id: str, source: bytes) -> None:
    body = {
        "job_id": job_id,
        "kind": settings.kind,
        "name": choose_name(settings),
        "module": settings.module or "",
        "source": encode_bytes(source),
        "arguments": list(settings.arguments),
        "stdin": settings.stdin,
    }
    try:
        link.call("job.start", body)
    except Unavailable:
        raise  # the server has answered: nothing was started
    except ConnectionFailed as exc:
        raise OutcomeUnknown(f"job {job_id}: the connection was lost before the server's answer ({exc})") from exc


def _upload_stdin(link: Link, job_id: str) -> None:
    if sys.stdin is None:
        raise ParameterError("--stdin: standard input is closed")
    offset = 0
    while True:
        data = _read_stdin(link)
        if data or not offset:
            link.call("job.upload", {"job_id": job_id, "offset": offset, "data": encode_bytes(data)})
        offset += len(data)
        if not data:
            return


def _read_stdin(link: Link) -> bytes:
    """The next piece of standard input, however long it takes to come; empty at its end."""
    if sys.platform != "win32":  # there, select takes sockets only: a slow input may cost the connection
        import select

        while not select.select([0], [], [], PONG_INTERVAL_S)[0]:
            link.keep_alive()
    return os.read(0, UPLOAD_PIECE)
