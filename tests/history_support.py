"""A server's history as the tests make it up: for what no real server would answer, or not at the wanted moment."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from headless.launcher.source import make_job_id
from headless.protocol.codec import encode_bytes
from launch_support import Answer, fake_server
from support import World

NOW = 1_700_000_000


class Ask:
    """``headless jobs`` against a made-up server of a world.

    Attributes:
        path: of the server's socket, for those who start it themselves.
        called: the methods that the last command called.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.path = f"{world.home}/fake.sock"
        self.called: list[str] = []

    def run(self, answers: Mapping[str, Answer], *words: str) -> tuple[int, str, str]:
        """Run one command; return its exit code and both outputs."""
        with fake_server(self.path, answers) as called:
            done = self.world.run("jobs", *words, "-s", f"unix:{self.path}")
        os.unlink(self.path)
        self.called = called
        return done.returncode, done.stdout.decode(), done.stderr.decode()


def make_id(number: int) -> str:
    """The id of a made-up job; the higher the number, the later it was accepted."""
    return make_job_id((NOW + number) * 1000, number.to_bytes(10, "big"))


def make_job(number: int, **changes: Any) -> dict[str, Any]:
    """A job that ended well unless something else is said, as ``job.list`` tells of it."""
    return {
        "job_id": make_id(number),
        "name": f"job-{number}",
        "kind": "code",
        "module": "",
        "user": "batch",
        "run_as": "",
        "origin": "192.0.2.1",
        "overlap": "allow",
        "state": "ended",
        "accepted_at": NOW + number,
        "started_at": NOW + number,
        "ended_at": NOW + number + 1,
        "duration_s": 1.0,
        "ending": "status",
        "code": 0,
        "reason": "",
        "dropped": {},
        **changes,
    }


def answer(**methods: Answer) -> dict[str, Answer]:
    """Answers for ``fake_server``, with a login; ``job_list`` stands for ``job.list``."""
    return {"login.osuser": {"user": "me"}, **{name.replace("_", ".", 1): body for name, body in methods.items()}}


def refuse(message: str, code: int) -> dict[str, Any]:
    """An error of the server, with the exit code that it wants."""
    return {"error": {"code": -32001, "message": message, "data": {"exit_code": code}}}


def list_pages(jobs: Sequence[Mapping[str, Any]], page: int) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """The answer to ``job.list`` of a server that tells at most so many jobs at a time."""

    def tell(params: Mapping[str, Any]) -> dict[str, Any]:
        ids = [job["job_id"] for job in jobs]
        start = ids.index(params["before"]) + 1 if params["before"] else 0
        end = start + min(page, params["limit"])
        return {"jobs": jobs[start:end], "more": end < len(jobs)}

    return tell


def output(job_id: str, offset: int, data: bytes, stream: str = "stdout") -> tuple[str, dict[str, Any]]:
    """A piece of output."""
    return "job.output", {"job_id": job_id, "stream": stream, "offset": offset, "data": encode_bytes(data)}


def end(job_id: str, **changes: Any) -> tuple[str, dict[str, Any]]:
    """The news of a job's good end, unless something else is said."""
    body = {"job_id": job_id, "state": "ended", "ending": "status", "code": 0, "reason": "", "duration_s": 1.0}
    return "job.ended", {**body, "dropped": {}, **changes}
