"""The parameters of every method, as values: what each must hold, and the one check of it.

Unknown parameters are refused: a server must not quietly ignore what a newer launcher relies on.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

from headless.errors import ProtocolError
from headless.protocol import names
from headless.protocol.codec import INVALID_PARAMS

__all__ = [
    "PARAMETERS",
    "JobCheck",
    "JobList",
    "JobNamed",
    "JobPrune",
    "JobRerun",
    "JobStart",
    "JobUpload",
    "JobWatch",
    "LoginChallenge",
    "LoginNamed",
    "LoginProof",
    "LoginSalt",
    "Nothing",
    "Parameters",
    "parse_parameters",
]

JOB_ID = re.compile(names.JOB_ID)
USER = re.compile(names.USER)
NAME = re.compile(names.NAME)
KIND = re.compile(r"module|script|code")
OVERLAP = re.compile(r"allow|skip|wait|replace")
STATE = re.compile(r"accepted|waiting|running|ended|failed|stopped|lost|live|final")
ANY = re.compile(r"(?s).*")
MAX_ARGUMENTS = 1000


@dataclass(frozen=True)
class Nothing:
    """No parameters."""


@dataclass(frozen=True)
class LoginSalt:
    """Ask for the user's bcrypt salt and cost, to make a secret file."""

    user: str


@dataclass(frozen=True)
class LoginChallenge:
    """The client-first-message of SCRAM."""

    client_first: str


@dataclass(frozen=True)
class LoginProof:
    """The client-final-message of SCRAM."""

    client_final: str


@dataclass(frozen=True)
class LoginNamed:
    """Log in by what the channel already proves; ``user`` may be empty to take what it says."""

    user: str = ""


@dataclass(frozen=True)
class JobCheck:
    """Ask whether such a job would be allowed; for a module also whether it is there."""

    kind: str
    module: str = ""


@dataclass(frozen=True)
class JobUpload:
    """A piece of the job's standard input, before its start; ``data`` is base 64."""

    job_id: str
    offset: int
    data: str


@dataclass(frozen=True)
class JobStart:
    """Start a job; ``source`` is base 64. Sent twice with the same id, it starts once.

    The times are seconds; -1, and an empty ``overlap``, leave it to the module and the server (``JobSpec``). ``inputs``
    and ``outputs`` are files on the grid (``staging.py``).
    """

    job_id: str
    kind: str
    name: str
    module: str = ""
    source: str = ""
    arguments: tuple[str, ...] = ()
    stdin: bool = False
    overlap: str = ""
    wait_for: float = -1.0
    start_within: float = -1.0
    max_runtime: float = -1.0
    grace: float = -1.0
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class JobWatch:
    """Be told of the job's end, and before it of its outputs from these offsets on (-1: not) and its progress."""

    job_id: str
    stdout: int = -1
    stderr: int = -1
    progress: bool = False


@dataclass(frozen=True)
class JobNamed:
    """One job: show it, or cancel it."""

    job_id: str


@dataclass(frozen=True)
class JobList:
    """Ask for jobs, the last accepted first. Empty texts and -1 leave a condition out.

    ``state`` may also be ``live`` or ``final``; ``since`` is seconds before now; ``before`` is the job id that the
    last answer ended with.
    """

    state: str = ""
    name: str = ""
    user: str = ""
    since: float = -1.0
    before: str = ""
    limit: int = 50


@dataclass(frozen=True)
class JobRerun:
    """Start what a job was once more, as a new job with an id of its own."""

    job_id: str
    new_id: str


@dataclass(frozen=True)
class JobPrune:
    """Forget ended jobs: those that ended more than ``older`` seconds ago, but the last ``keep`` of each name."""

    older: float
    keep: int = 0
    name: str = ""


Parameters = (
    Nothing
    | LoginSalt
    | LoginChallenge
    | LoginProof
    | LoginNamed
    | JobCheck
    | JobUpload
    | JobStart
    | JobWatch
    | JobNamed
    | JobList
    | JobRerun
    | JobPrune
)

PARAMETERS: dict[str, type[Parameters]] = {
    "login.salt": LoginSalt,
    "login.challenge": LoginChallenge,
    "login.proof": LoginProof,
    "login.osuser": LoginNamed,
    "login.x509": LoginNamed,
    "job.check": JobCheck,
    "job.upload": JobUpload,
    "job.start": JobStart,
    "job.watch": JobWatch,
    "job.list": JobList,
    "job.show": JobNamed,
    "job.cancel": JobNamed,
    "job.rerun": JobRerun,
    "job.prune": JobPrune,
    "server.status": Nothing,
    "server.stop": Nothing,
}

_PATTERNS = {"job_id": JOB_ID, "new_id": JOB_ID, "kind": KIND}
_OPTIONAL_PATTERNS = {
    "user": USER,
    "module": NAME,
    "name": NAME,
    "state": STATE,
    "before": JOB_ID,
    "overlap": OVERLAP,
}
_LOWEST = {"stdout": -1, "stderr": -1}  # of the whole numbers that may be negative
MAX_SECONDS = 1e10


def parse_parameters(method: str, values: Mapping[str, Any]) -> Parameters:
    """Check the parameters of a known method.

    Raises:
        ProtocolError: (-32602) one is missing, unknown, of a wrong type, or not of its form.
    """
    cls = PARAMETERS[method]
    known = {field.name: field for field in fields(cls)}
    for name in values:
        if name not in known:
            raise ProtocolError(f"{method}: unknown parameter {name[:40]!r}", INVALID_PARAMS)
    checked: dict[str, Any] = {}
    for name, field in known.items():
        if name in values:
            checked[name] = _check_value(method, name, field.type, values[name])
        elif field.default is MISSING:
            raise ProtocolError(f"{method}: parameter {name!r} is missing", INVALID_PARAMS)
    return cls(**checked)


def _check_value(method: str, name: str, kind: object, value: Any) -> Any:
    if kind == tuple[str, ...]:
        return _check_arguments(method, value)
    if kind is float and type(value) is int:
        value = float(value) if abs(value) <= MAX_SECONDS else math.inf
    if type(value) is not kind:  # exactly: JSON's true is no 1
        raise ProtocolError(f"{method}: parameter {name!r} is of a wrong type", INVALID_PARAMS)
    if isinstance(value, str) and not _is_of_form(name, value):
        raise ProtocolError(f"{method}: parameter {name!r} is malformed", INVALID_PARAMS)
    if isinstance(value, float) and value != -1 and not 0 <= value <= MAX_SECONDS:
        raise ProtocolError(f"{method}: parameter {name!r} is out of range", INVALID_PARAMS)
    if isinstance(value, int) and not _LOWEST.get(name, 0) <= value < 1 << 53:
        raise ProtocolError(f"{method}: parameter {name!r} is out of range", INVALID_PARAMS)
    return value


def _is_of_form(name: str, value: str) -> bool:
    if name in _OPTIONAL_PATTERNS:
        return value == "" or bool(_OPTIONAL_PATTERNS[name].fullmatch(value))
    return bool(_PATTERNS.get(name, ANY).fullmatch(value))


def _check_arguments(method: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) and "\0" not in item for item in value):
        raise ProtocolError(f"{method}: arguments are texts without NUL", INVALID_PARAMS)
    if len(value) > MAX_ARGUMENTS:
        raise ProtocolError(f"{method}: more than {MAX_ARGUMENTS} arguments", INVALID_PARAMS)
    return tuple(value)
