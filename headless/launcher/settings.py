"""What a session, a wait and a launch go by, resolved from options, variables and files, and checked."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from headless.errors import ParameterError
from headless.protocol.names import NAME
from headless.transport.address import Address

__all__ = [
    "AUTH_TYPES",
    "MAX_TIMEOUT_S",
    "LaunchSettings",
    "SessionSettings",
    "WaitSettings",
    "check_name",
    "parse_timeout",
]

AUTH_TYPES = ("osuser", "challenge", "x509")
MAX_TIMEOUT_S = 31_536_000  # a year; more is a slip of the keyboard


@dataclass(frozen=True, kw_only=True)
class SessionSettings:
    """Where the server is, and how to log in.

    Attributes:
        service: where the server is; ``None`` for the embedded one.
        user: who logs in; empty for the OS user.
        auth_type: of ``AUTH_TYPES``.
        secret: path of the secret file.
        ca_file: authorities to check the server's chain against; empty for none.
        certificate: the launcher's own, for x509.
        key: of that certificate.
        is_proxied: whether a TLS proxy with a checked certificate stands before the server.
        connect_for_s: how long to try to reach the server and log in.
    """

    service: Address | None
    user: str
    auth_type: str
    secret: str
    ca_file: str
    certificate: str
    key: str
    is_proxied: bool
    connect_for_s: float

    @property
    def checks_chain(self) -> bool:
        """Whether the server's certificate must come from a known authority."""
        return bool(self.ca_file) or self.is_proxied or self.auth_type == "x509"


@dataclass(frozen=True, kw_only=True)
class WaitSettings(SessionSettings):
    """A session that waits for a job's end.

    Attributes:
        timeout_s: how long to wait for the job's end; -1 for as long as it takes, ``None`` not to wait.
        output: path for the job's standard output, ``-`` for ours, ``None`` for nowhere.
        result: path for the job's result, ``-`` for standard output, ``None`` for nowhere.
        job_status: whether to exit with the job's own status instead of 4.
        reconnect_for_s: how long a lost session is taken up again, each time, where the wait itself has no end.
    """

    timeout_s: float | None
    output: str | None
    result: str | None
    job_status: bool
    reconnect_for_s: float = 600.0


@dataclass(frozen=True, kw_only=True)
class LaunchSettings(WaitSettings):
    """One launch.

    Attributes:
        module: id of the module to run, or ``None``.
        script: path of the script to run, or ``None``.
        code: the code to run, or ``None``.
        name: of the job; empty for the default.
        arguments: of the job.
        stdin: whether to hand over standard input.
        overlap: what to do while another run of this name is active; ``None`` for the server's default.
        wait_for_s: how long the job may wait in a line; ``None``, here and below, for what module or server say.
        start_within_s: how long after the launcher's start the job may begin at all, below 0 if that has passed;
            ``None`` for ever.
        max_runtime_s: after which the job is stopped.
        grace_s: between TERM and KILL when it is.
        splay_s: the launcher's own delay is below this.
        inputs: ``LFN=path`` of files on the grid that the job needs.
        outputs: ``path=LFN`` of files that it makes.
    """

    module: str | None
    script: str | None
    code: str | None
    name: str
    arguments: Sequence[str]
    stdin: bool
    overlap: str | None = None
    wait_for_s: float | None = None
    start_within_s: float | None = None
    max_runtime_s: float | None = None
    grace_s: float | None = None
    splay_s: float = 0.0
    inputs: Sequence[str] = ()
    outputs: Sequence[str] = ()

    @property
    def kind(self) -> str:
        """What is to be run, of ``JobKind``, whose module a launch that does not wait need not import."""
        if self.module is not None:
            return "module"
        return "script" if self.script is not None else "code"


def check_name(text: str, option: str) -> str:
    """Return a module's or a job's name if the server would take it.

    Raises:
        ParameterError: it would not.
    """
    if not re.fullmatch(NAME, text):
        raise ParameterError(f"{option} {text!r}: letters, digits and _.@+:- only, at most 128")
    return text


def parse_timeout(text: str) -> float:
    """Read a number of seconds, or -1.

    Raises:
        ParameterError: it is neither -1 nor a number from 0.001 to a year, written out.
    """
    plain = text.replace(".", "", 1)
    if text == "-1":
        return -1.0
    if not (plain.isascii() and plain.isdigit()) or not 0.001 <= float(text) <= MAX_TIMEOUT_S:
        raise ParameterError(
            f"timeout {text!r}: give -1 to wait as long as it takes, or seconds from 0.001 to {MAX_TIMEOUT_S}"
        )
    return float(text)
