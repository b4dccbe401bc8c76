"""Every error of headless, with the exit code it ends a command with.

The codes are a public contract (``docs/exit-codes.md``)::

    HeadlessError              70   a bug in headless
    +-- ConnectionFailed        1   nothing is known to run
    |   +-- ProtocolError       1   the peer does not speak our protocol
    |   +-- Unavailable         1   the server has answered that it started nothing; try again later
    |   +-- Untrusted           1   whoever is there is not who was meant, and was told nothing
    +-- ParameterError          2   options, secret file, unknown module
    |   +-- Held                2   another server writes this database
    +-- TimedOut                3   the job is still running, and goes on
    +-- JobFailed               4   the job ran and failed
    +-- Refused                 5   login or permission
    +-- Skipped                 6   another run of this job is active, or it is too late
    +-- JobStopped              7   run-time limit or cancel
    +-- OutcomeUnknown          8   lost, or not regained in time

Trying again may mend a ``ConnectionFailed``, but for the two of its kinds that say what is there is the wrong thing:
``ProtocolError`` and ``Untrusted``.

The first line of each docstring below is the code's meaning for the user.
"""

__all__ = [
    "ConnectionFailed",
    "HeadlessError",
    "Held",
    "JobFailed",
    "JobStopped",
    "OutcomeUnknown",
    "ParameterError",
    "ProtocolError",
    "Refused",
    "Skipped",
    "TimedOut",
    "Unavailable",
    "Untrusted",
]


class HeadlessError(Exception):
    """a bug in headless: a report is written, the traceback goes to it"""

    exit_code = 70


class ConnectionFailed(HeadlessError):
    """socket or connection error: nothing is known to run"""

    exit_code = 1


class ProtocolError(ConnectionFailed):
    """socket or connection error: nothing is known to run"""

    def __init__(self, message: str, code: int = -32600) -> None:
        """Args:
        message: what was wrong with what the peer sent, as one clause.
        code: the JSON-RPC 2.0 error code that is answered to the peer.
        """
        super().__init__(message)
        self.code = code


class Unavailable(ConnectionFailed):
    """socket or connection error: nothing is known to run"""


class Untrusted(ConnectionFailed):
    """socket or connection error: nothing is known to run"""


class ParameterError(HeadlessError):
    """parameter error: options, secret file, unknown module"""

    exit_code = 2


class Held(ParameterError):
    """parameter error: options, secret file, unknown module

    Another server writes this database, or one that is gone without the database having noticed.
    """


class TimedOut(HeadlessError):
    """time out: the job is still running on the server, and goes on"""

    exit_code = 3


class JobFailed(HeadlessError):
    """the job ran and failed: non-zero status, exception or signal"""

    exit_code = 4


class Refused(HeadlessError):
    """refused: login or permission"""

    exit_code = 5


class Skipped(HeadlessError):
    """not started: another run of this job is active and the policy says skip, or it was too late"""

    exit_code = 6


class JobStopped(HeadlessError):
    """the job was stopped before its end: its run-time limit, or a cancel"""

    exit_code = 7


class OutcomeUnknown(HeadlessError):
    """the outcome is unknown: the job was lost, or the connection was after the start"""

    exit_code = 8
