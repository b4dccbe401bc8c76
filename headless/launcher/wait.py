"""Waiting for a job's end: passing on what comes before it, and judging what it was."""

import time
from typing import TYPE_CHECKING, Any

from headless.errors import ConnectionFailed, HeadlessError, ParameterError, ProtocolError, TimedOut
from headless.launcher.link import Link, read_text
from headless.launcher.outcome import build_error, format_tail, parse_outcome, read_job_status
from headless.launcher.settings import WaitSettings
from headless.launcher.sinks import Sink
from headless.launcher.talk import Talk
from headless.protocol.codec import Notification, decode_bytes

if TYPE_CHECKING:
    from headless.launcher.regain import Regain

__all__ = ["Wait"]

LEAST_ANSWER_S = 1.0  # for a wait that is shorter than the server's answer takes


class Wait:
    """Waiting for a job's end, and passing on what comes before it."""

    def __init__(self, link: Link, settings: WaitSettings, talk: Talk, job_id: str, sinks: list[Sink | None]) -> None:
        self._link = link
        self._settings = settings
        self._talk = talk
        self._job_id = job_id
        self._output, self._result = sinks
        self._received = 0  # up to this offset of the job's output, what was cut included
        self._cut = 0
        self._ends_line = True
        self._has_waited = False  # for its turn, when it was last asked
        self._regain: Regain | None = None

    def run(self) -> int:
        """Wait; return the exit code of a job that ended well, or its own status if that is wanted.

        A lost connection is taken up again, and the output goes on where it was cut.

        Raises:
            TimedOut: the job still runs.
            OutcomeUnknown: the connection was lost for good.
            ParameterError, Refused: the job is unknown, or another user's.
        """
        timeout_s = self._settings.timeout_s
        deadline = None if timeout_s is None or timeout_s < 0 else time.monotonic() + timeout_s
        try:
            body = self._follow_on(deadline)
        finally:
            for sink in (self._output, self._result):
                if sink is not None:
                    sink.close()
        return self._judge(body)

    def _follow_on(self, deadline: float | None) -> dict[str, Any]:
        """Follow the job over as many connections as it takes."""
        while True:
            try:
                self._watch(deadline)
                return self._follow(deadline)
            except ConnectionFailed as exc:
                if self._regain is None:
                    from headless.launcher.regain import Regain

                    self._regain = Regain(
                        self._link, self._talk, self._job_id, deadline, self._settings.reconnect_for_s
                    )
                self._regain.open_again(exc)

    def _watch(self, deadline: float | None) -> None:
        """Ask for the news from where we are on."""
        stdout = self._received if self._output is not None else -1
        if deadline is not None:
            self._link.deadline = max(deadline, time.monotonic() + LEAST_ANSWER_S)
        try:
            watch = {"job_id": self._job_id, "stdout": stdout, "progress": self._talk.has_bar}
            self._has_waited = self._link.call("job.watch", watch).get("state") == "waiting"
        except ConnectionFailed:
            raise
        except HeadlessError as exc:
            if self._regain is None:
                raise
            from headless.launcher.regain import build_unknown

            raise build_unknown(self._job_id, exc) from exc
        if self._regain is not None:
            self._regain.succeed()

    def _follow(self, deadline: float | None) -> dict[str, Any]:
        while True:
            message = self._link.next_notification(deadline)
            if message is None:
                where = "waiting or running" if self._has_waited else "running"
                raise TimedOut(f"job {self._job_id} is still {where} after {self._settings.timeout_s:g} s, and goes on")
            if message.params.get("job_id") != self._job_id:
                raise ProtocolError("news of another job")
            if message.method == "job.ended":
                if self._result is not None and "result" in message.params:
                    self._write_result(message.params["result"])
                return message.params
            self._pass_on(message)

    def _pass_on(self, message: Notification) -> None:
        params = message.params
        if message.method == "job.output" and params.get("stream") == "stdout" and self._output is not None:
            self._write_output(self._output, params.get("offset"), decode_bytes(read_text(params, "data")))
        elif message.method == "job.progress":
            done, total = params.get("done"), params.get("total")
            if isinstance(done, int | float) and isinstance(total, int | float):
                self._talk.progress(done, total)

    def _write_output(self, output: Sink, offset: Any, data: bytes) -> None:
        """Write a piece; where the server has cut out what was before it, say so in its place."""
        if not isinstance(offset, int) or offset < self._received:
            raise ProtocolError("a piece of the job's output is not the one that comes next")
        if cut := offset - self._received:
            self._cut += cut
            output.write(b"%b[headless: %d bytes were cut here]\n" % (b"" if self._ends_line else b"\n", cut))
            self._ends_line = True
        self._received = offset + len(data)
        if data:
            self._ends_line = data.endswith(b"\n")
            output.write(data)

    def _write_result(self, value: Any) -> None:
        import json

        if self._result is not None:
            self._result.write(json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n")

    def _judge(self, body: dict[str, Any]) -> int:
        outcome = parse_outcome(body)
        job = f"job {self._job_id}"
        error = build_error(outcome, job)
        if error is not None:
            self._talk.error(str(error))
            if tail := format_tail(body.get("tail")):
                self._talk.detail(tail)
        else:
            self._talk.info(f"{job} ended well after {outcome.duration_s:.3f} s")
            if outcome.reason:
                self._talk.info(f"{job}: {outcome.reason}")
        for sink in (self._output, self._result):
            if sink is not None and sink.error:
                self._talk.error(f"{job}: {sink.name} could not be written: {sink.error}")
        if self._cut:
            why = "for their number (max_output of the server) or for want of room on its disk"
            self._talk.error(f"{job}: {self._cut} bytes of its output were cut, {why}")
        if self._result is not None and error is None and "result" not in body:
            self._talk.error(f"{job} ended well and handed over no result")
            return ParameterError.exit_code
        if error is not None:
            status = read_job_status(outcome) if self._settings.job_status else None
            return error.exit_code if status is None else status
        has_all = not self._cut and not any(sink is not None and sink.error for sink in (self._output, self._result))
        return 0 if has_all else ParameterError.exit_code
