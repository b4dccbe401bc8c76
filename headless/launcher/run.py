"""One launch: connect, log in, start the job, wait as long as told, say how it ended."""

import math
import os
import socket
import time

from headless.config import Environment
from headless.errors import ConnectionFailed, ParameterError, Skipped
from headless.launcher.interrupts import catch_interrupts
from headless.launcher.link import Link
from headless.launcher.login import check_secret
from headless.launcher.opening import open_link
from headless.launcher.settings import LaunchSettings
from headless.launcher.sinks import Sink, open_sinks
from headless.launcher.source import choose_name, make_job_id, read_source
from headless.launcher.start import Start, check_size
from headless.launcher.talk import Talk

__all__ = ["check_job", "run_job"]


def run_job(settings: LaunchSettings, environment: Environment, talk: Talk) -> int:
    """Run one job; return the launcher's exit code where it is not an error's.

    Raises:
        HeadlessError: with the exit code that tells what happened.
    """
    latest = math.inf if settings.start_within_s is None else time.monotonic() + settings.start_within_s
    _check_unit(settings, environment)
    secret = check_secret(settings, environment)
    source = read_source(settings)
    sinks = open_sinks(settings)
    job_id = make_job_id(time.time_ns() // 1_000_000, os.urandom(10))
    with catch_interrupts() as interrupts:
        if settings.splay_s:
            _sleep_splay(settings, talk)
        if time.monotonic() >= latest:
            raise Skipped("not started: the time of --not-after has passed")
        try:
            deadline = time.monotonic() + settings.connect_for_s
            with open_link(settings, environment, talk, secret, latest=latest) as link:
                Start(link, settings, talk, job_id, source, interrupts).run(deadline, latest)
                interrupts.truth = f"job {job_id} goes on"
                talk.info(f"job {job_id} accepted")
                return 0 if settings.timeout_s is None else _wait(link, settings, talk, job_id, sinks)
        except ConnectionFailed as exc:
            from headless.launcher.attempts import GIVE_UP_S

            if time.monotonic() + GIVE_UP_S <= latest:
                raise
            raise Skipped(f"not started: the time of --not-after has passed; the last try: {exc}") from exc


def _wait(link: Link, settings: LaunchSettings, talk: Talk, job_id: str, sinks: list[Sink | None]) -> int:
    from headless.launcher.wait import Wait  # while the job runs, an import takes no time

    return Wait(link, settings, talk, job_id, sinks).run()


def _sleep_splay(settings: LaunchSettings, talk: Talk) -> None:
    from headless.launcher.splay import compute_splay

    delay_s = compute_splay(socket.gethostname(), choose_name(settings), settings.splay_s)
    talk.info(f"splay: starting in {delay_s:.1f} s")
    time.sleep(delay_s)


def check_job(settings: LaunchSettings, environment: Environment, talk: Talk) -> None:
    """Do all that a launch does, but start the job: ask only whether it would be allowed.

    Raises:
        HeadlessError: as :func:`run_job` would.
    """
    _check_unit(settings, environment)
    secret = check_secret(settings, environment)
    source = read_source(settings)
    open_sinks(settings)
    # One attempt is enough: a person looks on, and wants to see the reason.
    with catch_interrupts(), open_link(settings, environment, talk, secret, is_patient=False) as link:
        check_size(link, settings, source)
        link.call("job.check", {"kind": settings.kind, "module": settings.module or ""})


def _check_unit(settings: LaunchSettings, environment: Environment) -> None:
    if settings.service is None and settings.timeout_s is None and environment.is_in_unit:
        raise ParameterError(
            "inside a systemd service the embedded server would be killed with the service, and the job with it:"
            " add --timeout -1 to wait for the job, or give --service"
        )
