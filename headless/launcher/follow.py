"""Following a job, and asking for what is safe to repeat, over as many connections as it takes."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from headless.errors import ConnectionFailed, HeadlessError, OutcomeUnknown, ProtocolError, TimedOut, Unavailable
from headless.job import JobState
from headless.launcher.attempts import Attempts
from headless.launcher.link import Link, read_text
from headless.launcher.regain import Regain
from headless.launcher.talk import Talk
from headless.protocol.codec import Notification

__all__ = ["Follow", "call_surely", "read_state"]


class Follow:
    """A watch of one job, to its end.

    Attributes:
        first_state: the job's when it was first watched; ``None`` before.
    """

    def __init__(self, link: Link, talk: Talk, job_id: str, timeout_s: float, reconnect_for_s: float) -> None:
        """Args:
        link: logged in; of no further use afterwards.
        talk: is told of losses.
        job_id: of the job.
        timeout_s: how long to follow; -1 for as long as it takes.
        reconnect_for_s: how long one outage may last then.
        """
        self.first_state: JobState | None = None
        self._link = link
        self._job_id = job_id
        self._timeout_s = timeout_s
        self._deadline = None if timeout_s < 0 else time.monotonic() + timeout_s
        self._regain = Regain(link, talk, job_id, self._deadline, reconnect_for_s)

    def listen(self, build_wanted: Callable[[], Mapping[str, Any]]) -> Iterator[Notification]:
        """Yield what the server tells; the last one is ``job.ended``.

        Args:
            build_wanted: says what is wanted of ``JobWatch``, from where we are on.

        Raises:
            ParameterError: there is no such job, or it is somebody else's.
            TimedOut: it goes on.
            OutcomeUnknown: the connection was lost for good.
            ProtocolError: the server tells what was not asked for.
        """
        while True:
            try:
                answer = self._link.call("job.watch", {"job_id": self._job_id, **build_wanted()})
                self._regain.succeed()
                self.first_state = self.first_state or read_state(answer)
                yield from self._listen_once()
                return
            except ProtocolError:
                raise
            except ConnectionFailed as exc:
                self._regain.open_again(exc)

    def wait_end(self) -> Mapping[str, Any]:
        """Wait for the job's end; return what ``job.ended`` says of it.

        Raises:
            HeadlessError: as :meth:`listen`.
        """
        for message in self.listen(dict):
            if message.method == "job.ended":
                return message.params
        raise AssertionError("a watch ends with the job's end")

    def _listen_once(self) -> Iterator[Notification]:
        while True:
            message = self._link.next_notification(self._deadline)
            if message is None:
                raise TimedOut(f"job {self._job_id} is still running after {self._timeout_s:g} s, and goes on")
            if message.params.get("job_id") != self._job_id:
                raise ProtocolError("news of another job")
            yield message
            if message.method == "job.ended":
                return


def call_surely(link: Link, talk: Talk, method: str, params: Mapping[str, Any], limit_s: float, doubt: str) -> Any:
    """Call what is safe to repeat: while the answer is lost it is asked again.

    Args:
        link: logged in.
        talk: is told of losses.
        method: of the server.
        params: of the method.
        limit_s: for how long, in seconds.
        doubt: what holds if the answer stays away, as a clause.

    Returns:
        The answer.

    Raises:
        OutcomeUnknown: it was asked, and no answer came.
        HeadlessError: as the server says; nothing was done.
    """
    attempts, deadline = Attempts(talk), time.monotonic() + limit_s
    is_lost = in_doubt = False
    while True:
        try:
            if is_lost:
                _reopen(link, deadline, doubt if in_doubt else "")
            return link.call(method, params)
        except ConnectionFailed as exc:
            in_doubt = in_doubt or not isinstance(exc, Unavailable)
            link.close()
            is_lost = True
            if not attempts.pause(exc, deadline):
                if in_doubt:
                    raise OutcomeUnknown(f"{doubt}: {exc}") from exc
                raise


def _reopen(link: Link, deadline: float, doubt: str) -> None:
    try:
        if link.reopen is not None:
            link.reopen(deadline)
    except ConnectionFailed:
        raise
    except HeadlessError as exc:
        if not doubt:
            raise
        raise OutcomeUnknown(f"{doubt}: {exc}") from exc


def read_state(body: Mapping[str, Any]) -> JobState:
    """The state in a server's answer.

    Raises:
        ProtocolError: it holds none that is known.
    """
    try:
        return JobState(read_text(body, "state"))
    except ValueError as exc:
        raise ProtocolError("the server names a state that is none") from exc
