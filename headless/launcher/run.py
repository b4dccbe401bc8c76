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
    ProtocolError,
    Refused,
    Unavailable,
)
from headless.job import JobKind
from headless.launcher.embedded import embedded_addresses, ensure_server
from headless.launcher.interrupts import catch_interrupts
from headless.launcher.link import Link
from headless.launcher.login import check_secret, explain_refusal, log_in
from headless.launcher.settings import LaunchSettings
from headless.launcher.sinks import open_sink
from headless.launcher.source import choose_name, make_job_id, read_source
from headless.launcher.talk import Talk
from headless.launcher.wait import Wait
from headless.protocol.codec import encode_bytes
from headless.transport.address import UnixAddress
from headless.transport.client import Connection, connect

__all__ = ["check_job", "open_link", "run_job"]

UPLOAD_PIECE = 512 * 1024
ANSWER_LIMIT_S = 30.0


def run_job(settings: LaunchSettings, environment: Environment, talk: Talk) -> int:
    """Run one job; return the launcher's exit code where it is not an error's.

    Raises:
        HeadlessError: with the exit code that tells what happened.
    """
    _check_unit(settings, environment)
    secret = check_secret(settings)
    source = read_source(settings)
    sinks = [open_sink(path, option) if path else None for path, option in _destinations(settings)]
    job_id = make_job_id(time.time_ns() // 1_000_000, os.urandom(10))
    with catch_interrupts(f"job {job_id}") as interrupts, open_link(settings, environment, talk, secret) as link:
        if settings.stdin:
            _upload_stdin(link, job_id)
        interrupts.is_started = True
        _start(link, settings, job_id, source)
        talk.info(f"job {job_id} accepted")
        if settings.timeout_s is None:
            return 0
        return Wait(link, settings, talk, job_id, sinks).run()


def check_job(settings: LaunchSettings, environment: Environment, talk: Talk) -> None:
    """Do all that a launch does, but start the job: ask only whether it would be allowed.

    Raises:
        HeadlessError: as :func:`run_job` would.
    """
    _check_unit(settings, environment)
    secret = check_secret(settings)
    read_source(settings)
    with open_link(settings, environment, talk, secret) as link:
        link.call("job.check", {"kind": _kind(settings), "module": settings.module or ""})


@contextmanager
def open_link(settings: LaunchSettings, environment: Environment, talk: Talk, secret: bytes | None) -> Iterator[Link]:
    """A link that is logged in; closed at the end.

    Raises:
        ConnectionFailed: the server cannot be reached.
        Refused: the login is.
    """
    link = Link(_connect(settings, environment), talk, ANSWER_LIMIT_S)
    try:
        try:
            log_in(link, settings, secret, talk)
        except Refused as exc:
            if secret is None:
                raise
            link.close()
            hint = _explain(settings, environment, talk, secret)
            raise Refused(f"{exc}: {hint}" if hint else str(exc)) from exc
        yield link
    finally:
        link.close()


def _connect(settings: LaunchSettings, environment: Environment) -> Connection:
    if settings.service is not None:
        return connect(settings.service, _tls(settings), settings.connect_for_s)
    for address in embedded_addresses(environment):
        if os.path.exists(address.path):
            try:
                return connect(address, None, settings.connect_for_s)
            except ConnectionFailed:
                continue  # it has ended meanwhile
    return connect(ensure_server(environment), None, settings.connect_for_s)


def _tls(settings: LaunchSettings) -> Any:
    if isinstance(settings.service, UnixAddress):
        return None
    from headless.transport.tls import ClientTls

    return ClientTls(
        check_chain=bool(settings.ca_file) or settings.is_proxied or settings.auth_type == "x509",
        ca_file=settings.ca_file or None,
        certificate=settings.certificate or None,
        key=settings.key or None,
    )


def _explain(settings: LaunchSettings, environment: Environment, talk: Talk, secret: bytes) -> str:
    try:
        link = Link(_connect(settings, environment), talk, ANSWER_LIMIT_S)
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


def _kind(settings: LaunchSettings) -> JobKind:
    if settings.module is not None:
        return JobKind.MODULE
    return JobKind.SCRIPT if settings.script is not None else JobKind.CODE


def _destinations(settings: LaunchSettings) -> list[tuple[str | None, str]]:
    if settings.output and settings.output == settings.result:
        raise ParameterError(f"--output and --result cannot both go to {settings.output}")
    return [(settings.output, "--output"), (settings.result, "--result")]


def _start(link: Link, settings: LaunchSettings, job_id: str, source: bytes) -> None:
    body = {
        "job_id": job_id,
        "kind": _kind(settings),
        "name": choose_name(settings),
        "module": settings.module or "",
        "source": encode_bytes(source),
        "arguments": list(settings.arguments),
        "stdin": settings.stdin,
    }
    try:
        link.call("job.start", body)
    except (Unavailable, ProtocolError):
        raise  # the server has answered: nothing was started
    except ConnectionFailed as exc:
        raise OutcomeUnknown(f"job {job_id}: the connection was lost before the server's answer ({exc})") from exc


def _upload_stdin(link: Link, job_id: str) -> None:
    if sys.stdin is None:
        raise ParameterError("--stdin: standard input is closed")
    offset = 0
    while True:
        data = os.read(0, UPLOAD_PIECE)
        if data or not offset:
            link.call("job.upload", {"job_id": job_id, "offset": offset, "data": encode_bytes(data)})
        offset += len(data)
        if not data:
            return
