"""Following a job for a session: its output from an offset on, its progress, and its end."""

import sys
from collections.abc import AsyncIterator
from typing import Any

from headless.engines.base import Engine, Piece
from headless.errors import ProtocolError
from headless.job import JobState
from headless.protocol.codec import Notification, decode_message, encode_bytes, encode_message
from headless.protocol.messages import JobWatch
from headless.server.history import encode_tails
from headless.server.live import LiveJob
from headless.server.tails import STREAMS

if sys.platform == "win32":
    raise ImportError("the server runs on POSIX systems only: give --service HOST:PORT of one")

__all__ = ["follow_job"]

PIECE = 64 * 1024  # bytes of output in one message


async def follow_job(engine: Engine, job: LiveJob, request: JobWatch) -> AsyncIterator[Notification]:
    """Yield what the request asked for, in order; the last one is ``job.ended``, and comes in any case.

    Args:
        engine: that runs the job.
        job: to follow.
        request: from which offsets of the outputs on (-1: none), and whether progress is wanted.
    """
    offsets = {stream: offset for stream in STREAMS if (offset := getattr(request, stream)) >= 0}
    progress = None
    seen = -1
    while True:
        seen = await job.wait_news(seen)
        # Read before the output is: a job that is over by now has written all of it.
        is_over = job.state.is_final
        for stream in offsets if job.handle else ():
            while (piece := await engine.output(job.handle, stream, offsets[stream], PIECE)).data:
                yield _build_output(job, stream, piece)
                offsets[stream] = piece.offset + len(piece.data)
        if request.progress and job.progress != progress and job.progress is not None:
            progress = job.progress
            yield Notification("job.progress", {"job_id": job.job_id, "done": progress[0], "total": progress[1]})
        if is_over:
            for stream in offsets if job.handle else ():
                end = job.outcome.written.get(stream, 0) if job.outcome else 0
                if end > offsets[stream]:
                    yield _build_output(job, stream, Piece(end, b""))  # what came last was not kept
            yield Notification("job.ended", await _build_end(engine, job))
            return


def _build_output(job: LiveJob, stream: str, piece: Piece) -> Notification:
    body = {"job_id": job.job_id, "stream": stream, "offset": piece.offset, "data": encode_bytes(piece.data)}
    return Notification("job.output", body)


async def _build_end(engine: Engine, job: LiveJob) -> dict[str, Any]:
    outcome = job.outcome
    if outcome is None:
        raise AssertionError("a final state without an outcome")
    body: dict[str, Any] = {
        "job_id": job.job_id,
        "state": job.state,
        "ending": outcome.ending,
        "code": outcome.code,
        "reason": outcome.reason,
        "duration_s": outcome.duration_s,
        "written": outcome.written,
        "dropped": outcome.dropped,
    }
    if not job.handle:
        return body
    if job.state is not JobState.ENDED:
        body["tail"] = await encode_tails(engine, job.handle)
    has_result, value = await engine.result(job.handle)
    if has_result and _is_sendable(value):
        body["result"] = value
    return body


def _is_sendable(value: Any) -> bool:
    """Whether a launcher can read it: a job may have written its result past ``job.result`` and its checks."""
    try:
        decode_message(encode_message(Notification("job.ended", {"result": value})))
    except (ValueError, RecursionError, ProtocolError):
        return False
    return True
