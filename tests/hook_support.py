"""What the tests of hooks share: a journal, events, and a web server that does as it is told."""

import http.server
import json
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import uvloop
from sqlalchemy import select

from headless.job import Ending, Outcome
from headless.server.hooks.actions import Hooks, parse_hooks
from headless.server.hooks.events import Event, EventKind, build_end_event
from headless.server.hooks.outbox import record_end
from headless.server.journal import Journal
from headless.server.schema import names, notices

JOB_ID = "01KAMYZ6X4V3M5QW8E9RTYGHJK"
ENDED = Outcome(ending=Ending.STATUS, code=0, duration_s=1.5)
FAILED = Outcome(ending=Ending.STATUS, code=3, duration_s=2.5)
LOST = Outcome(ending=Ending.LOST, reason="its supervisor is gone")
LIMITED = Outcome(ending=Ending.LIMIT, code=15, reason="it ran longer than 5 s")
CANCELLED = Outcome(ending=Ending.CANCELLED, reason="cancelled by ops")
EXPIRED = Outcome(ending=Ending.EXPIRED, reason="its turn did not come")


def make_event(outcome: Outcome, name: str = "nightly", **facts: Any) -> Event:
    """The end of a job."""
    defaults = {"job_id": JOB_ID, "name": name, "user": "batch", "host": "node1", "accepted_at": 1_000_000_000.0}
    return build_end_event(outcome, **{**defaults, "started_at": 1_000_000_001.0, "ended_at": 1_000_000_003.5, **facts})


def make_start(kind: EventKind = EventKind.START, at: float = 1_000_000_000.0) -> Event:
    """A start, or a skipped one."""
    return replace(make_event(ENDED), kind=kind, state=None, ending=None, code=None, duration_s=None, accepted_at=at,
                   started_at=None, ended_at=None)  # fmt: skip


def make_hooks(**values: Any) -> Hooks:
    """Hooks as from settings."""
    return parse_hooks(values, "test.toml")


def with_journal(state: Path, function: Callable[[Journal], Awaitable[None]]) -> None:
    """Run a test's coroutine on the server's event loop, with a journal in ``state``."""

    async def run() -> None:
        journal = Journal.open("", str(state))
        try:
            await function(journal)
        finally:
            await journal.close()

    uvloop.run(run())


async def end(journal: Journal, hooks: Hooks, outcome: Outcome = FAILED, **facts: Any) -> int:
    """Write a job's end."""
    return await journal.write(lambda connection: record_end(connection, make_event(outcome, **facts), hooks))


async def read_outbox(journal: Journal) -> list[dict[str, Any]]:
    """The notices that wait, with action and body as values."""
    rows = await journal.read(
        lambda connection: connection.execute(select(notices).order_by(notices.c.id)).mappings().all()
    )
    return [{**row, "action": json.loads(row["action"]), "body": json.loads(row["body"])} for row in rows]


async def read_name(journal: Journal, name: str = "nightly") -> dict[str, Any]:
    """The row of a name."""
    return await journal.read(
        lambda connection: dict(connection.execute(select(names).where(names.c.name == name)).mappings().one())
    )


@dataclass
class WebServer:
    """A real web server: answers each request with the next status of ``answers``, then with the last again.

    A status of 0 never answers, until the server is closed.
    """

    answers: list[int]
    url: str = ""
    requests: list[tuple[str, str, bytes]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    def answer(self) -> int:
        """The next status."""
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def open_web_server(*answers: int, certificate: tuple[str, str] | None = None) -> Iterator[WebServer]:
    """A web server on a free port, with TLS if there is a certificate."""
    shared = WebServer(list(answers))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            shared.requests.append((self.command, self.path, body))
            shared.headers.append(dict(self.headers))
            status = shared.answer()
            if not status:
                shared.closing.wait()
                return
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", "/elsewhere")
            self.end_headers()

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    shared.url = f"{'https' if certificate else 'http'}://localhost:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield shared
    finally:
        shared.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
