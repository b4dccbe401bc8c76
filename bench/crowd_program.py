"""A program: ``SERVICE USER SECRET-FILE COUNT``. Opens so many sessions, then does what the lines of its input say.

Each answer is one line of JSON. It ends with its input; between two commands it answers the server's pings.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

from bench.crowd import Crowd, Session, build_start
from headless.protocol.codec import ErrorResponse, Message, Notification, Response

__all__: list[str] = []

SILENCE_LIMIT_S = 120.0  # without any news while some is awaited
RETRY_S = 1.0  # after which a start that was turned away comes again


def main() -> int:
    """Hold the sessions."""
    service, user, secret, count = sys.argv[1:5]
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    crowd = Crowd(service, user, secret)
    crowd.open(int(count))
    print("{}", flush=True)
    while True:
        for session, message in crowd.receive(None):
            if session is None and message is None:
                line = sys.stdin.readline()
                if not line:
                    return 0
                name, *arguments = json.loads(line)
                print(json.dumps(COMMANDS[name](crowd, *arguments)), flush=True)


def _run_jobs(crowd: Crowd, each: int) -> dict[str, Any]:
    """Each session starts a trivial job, follows it to its end, and starts the next one."""
    began = time.perf_counter()
    left = dict.fromkeys(crowd.sessions, each)
    for session in crowd.sessions:
        _start(session, "pass")

    def take(session: Session, message: Message) -> bool:
        if isinstance(message, Response) and message.result["state"] != "ended" and session not in watching:
            watching.add(session)
            session.send("job.watch", {"job_id": message.result["job_id"]})
        elif isinstance(message, Notification) and message.method == "job.ended":
            _check_end(message)
            watching.discard(session)
            left[session] -= 1
            if left[session]:
                _start(session, "pass")
            else:
                del left[session]
        return bool(left)

    watching: set[Session] = set()
    _follow(crowd, take)
    return {"seconds": time.perf_counter() - began}


def _burst(crowd: Crowd, count: int, within_s: float) -> dict[str, Any]:
    """Start so many jobs, evenly within a time, whatever has been answered; follow all to their ends."""
    sessions = crowd.sessions
    asked: dict[tuple[Session, int | None], dict[str, Any]] = {}
    watched: set[str] = set()
    accepted_s, ended, retries = 0.0, 0, 0
    began = time.perf_counter()
    due = [(began + within_s * number / count, build_start("pass")) for number in range(count)]
    due.reverse()
    while ended < count:
        now = time.perf_counter()
        while due and due[-1][0] <= now:
            _, start = due.pop()
            starter = sessions[len(asked) % len(sessions)]
            asked[starter, starter.send("job.start", start)] = start
        if now - began > SILENCE_LIMIT_S:
            raise RuntimeError(f"only {ended} of {count} jobs have ended")
        for session, message in crowd.receive(max(0.0, due[-1][0] - now) if due else 1.0):
            if session is None or message is None:
                raise RuntimeError("a command in the middle of another")
            if isinstance(message, Notification):
                _check_end(message)
                ended += 1
            elif isinstance(message, ErrorResponse):
                if message.exit_code != 1:
                    raise RuntimeError(f"refused for good: {message.message}")
                retries += 1
                due.insert(0, (time.perf_counter() + RETRY_S, asked[session, message.id]))
                due.sort(key=lambda item: -item[0])
            elif isinstance(message, Response) and (job_id := message.result["job_id"]) not in watched:
                watched.add(job_id)
                accepted_s = time.perf_counter() - began
                session.send("job.watch", {"job_id": job_id, "stdout": -1, "stderr": -1})
    return {"accepted_s": accepted_s, "ended_s": time.perf_counter() - began, "retries": retries}


def _begin(crowd: Crowd, code: str) -> dict[str, Any]:
    """Start a job, and do not follow it."""
    _start(crowd.sessions[0], code)
    return {"job_id": _await_answers(crowd, 1)}


def _watch(crowd: Crowd, job_id: str) -> dict[str, Any]:
    """Have all sessions follow this job."""
    began = time.perf_counter()
    for session in crowd.sessions:
        session.send("job.watch", {"job_id": job_id})
    _await_answers(crowd, len(crowd.sessions))
    return {"seconds": time.perf_counter() - began}


def _come_back(crowd: Crowd, count: int, job_id: str) -> dict[str, Any]:
    """Once the server is another one: open all sessions anew, and have them follow the job again."""
    while crowd.sessions:
        for _ in crowd.receive(SILENCE_LIMIT_S):
            raise RuntimeError("the server is not gone")
    began = time.perf_counter()
    crowd.open(count)
    _watch(crowd, job_id)
    return {"seconds": time.perf_counter() - began}


def _cancel(crowd: Crowd, job_id: str) -> dict[str, Any]:
    """End a job that all sessions follow; wait until all have been told."""
    crowd.sessions[0].send("job.cancel", {"job_id": job_id})
    left = set(crowd.sessions)

    def take(session: Session, message: Message) -> bool:
        if isinstance(message, Notification) and message.method == "job.ended":
            left.discard(session)
        return bool(left)

    _follow(crowd, take)
    return {}


def _start(session: Session, code: str) -> None:
    session.send("job.start", build_start(code))


def _await_answers(crowd: Crowd, count: int) -> str:
    """Wait for so many answers; return the id in the last one."""
    found: list[str] = []

    def take(_: Session, message: Message) -> bool:
        if isinstance(message, Response):
            found.append(message.result["job_id"])
        return len(found) < count

    _follow(crowd, take)
    return found[-1]


def _follow(crowd: Crowd, take: Callable[[Session, Message], bool]) -> None:
    """Hand over what comes until that is enough.

    Raises:
        RuntimeError: the server says no, is gone, or says nothing any more.
    """
    count = len(crowd.sessions)
    heard_at = time.monotonic()
    while True:
        for session, message in crowd.receive(1.0):
            if session is None or message is None or isinstance(message, ErrorResponse):
                raise RuntimeError(f"that is no answer: {message}")
            heard_at = time.monotonic()
            if not take(session, message):
                return
        if len(crowd.sessions) < count or time.monotonic() - heard_at > SILENCE_LIMIT_S:
            raise RuntimeError("the server is gone, or silent")


def _check_end(message: Notification) -> None:
    body = message.params
    if message.method != "job.ended" or body["state"] != "ended":
        raise RuntimeError(f"a trivial job has not ended well: {body}")


COMMANDS: dict[str, Callable[..., dict[str, Any]]] = {
    "run": _run_jobs,
    "burst": _burst,
    "begin": _begin,
    "watch": _watch,
    "come-back": _come_back,
    "cancel": _cancel,
}

if __name__ == "__main__":
    sys.exit(main())
