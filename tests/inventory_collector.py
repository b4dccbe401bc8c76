"""A collector of a test: takes what is posted, and answers as it is told to; also an HTTP proxy."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support import TIME_SCALE


@dataclass
class Answer:
    """What is answered to one request."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"OK\n"
    hold: threading.Event | None = None
    hang_up: bool = False


@dataclass
class Taken:
    """A request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class ScriptedCollector(ThreadingHTTPServer):
    """Answers with the next of ``answers``, and when they are used up, with 200.

    Attributes:
        taken: the requests, in their order.
    """

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[Answer] = []
        self.taken: list[Taken] = []
        self.has_come = threading.Event()
        self.scheme = "https" if context else "http"
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away, or does not trust us, is none of our errors."""

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{self.scheme}://localhost:{self.server_address[1]}/feed/wlcg"

    @property
    def bodies(self) -> list[bytes]:
        """What was posted."""
        return [request.body for request in self.taken]


class _Handler(BaseHTTPRequestHandler):
    server: ScriptedCollector

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.taken.append(Taken(self.command, self.path, dict(self.headers.items()), body))
        answer = self.server.answers.pop(0) if self.server.answers else Answer()
        self.server.has_come.set()
        if answer.hold is not None:
            answer.hold.wait(30 * TIME_SCALE)
        if answer.hang_up:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_POST = do_GET = _answer  # the library calls them so

    def do_CONNECT(self) -> None:
        """Be a proxy's tunnel: to wherever, as long as one of the two speaks."""
        self.server.taken.append(Taken(self.command, self.path, dict(self.headers.items()), b""))
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port))) as other:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_pump, args=(other, self.connection), daemon=True)
            back.start()
            _pump(self.connection, other)
            back.join(30 * TIME_SCALE)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@contextmanager
def run_collector(context: ssl.SSLContext | None = None) -> Iterator[ScriptedCollector]:
    """Run a collector on a free port of this machine."""
    server = ScriptedCollector(context)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(30 * TIME_SCALE)
