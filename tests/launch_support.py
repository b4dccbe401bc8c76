"""What the tests of the launcher share: a person at a terminal, a faithless server, a world for a whole file."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, unix_serve

from support import HEADLESS, TIME_SCALE, World

# Takes the pseudo-terminal as its own, as login does, and becomes the command. A program, for forking in a process
# with threads is asking for trouble.
LOGIN = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"

Answer = Mapping[str, Any] | Callable[[Mapping[str, Any]], Mapping[str, Any]]


class Terminal:
    """``headless`` run by a person: its three standard streams are a real pseudo-terminal, its session's own."""

    def __init__(self, world: World, *arguments: str, columns: int = 80) -> None:
        self.text = ""
        self._seen = 0
        self._master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (24, columns))
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", LOGIN, HEADLESS, *arguments],
            stdin=slave, stdout=slave, stderr=slave, env=world.environment, cwd="/", start_new_session=True,
        )  # fmt: skip
        os.close(slave)

    def expect(self, text: str, limit_s: float = 15) -> None:
        """Read until ``text`` comes after what was expected before."""
        deadline = time.monotonic() + limit_s * TIME_SCALE
        while (place := self.text.find(text, self._seen)) < 0:
            if not self._read(deadline):
                raise AssertionError(f"waited in vain for {text!r}: {self.text!r}")
        self._seen = place + len(text)

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._master, text.encode())

    def finish(self, limit_s: float = 15) -> int:
        """Read to the end; return the exit code as a shell would tell it."""
        deadline = time.monotonic() + limit_s * TIME_SCALE
        while self._read(deadline):
            pass
        os.close(self._master)
        code = self._process.wait(limit_s * TIME_SCALE)
        return code if code >= 0 else 128 - code

    def _read(self, deadline: float) -> bool:
        """Take what has come; False at the end."""
        if not select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))[0]:
            self._process.send_signal(signal.SIGKILL)
            raise AssertionError(f"headless hangs at a terminal: {self.text!r}")
        try:
            data = os.read(self._master, 4096)
        except OSError:  # Linux says so when the last process has closed the other side
            return False
        self.text += data.decode().replace("\r\n", "\n")
        return bool(data)


@contextmanager
def fake_server(path: str, answers: Mapping[str, Answer], **options: Any) -> Iterator[list[str]]:
    """A server of ours on a unix socket that answers what the test says; yields the methods that were called.

    It speaks through the websockets library: what is tested is the launcher, against another implementation. An
    answer of ``{"error": ...}`` is an error, all else a result; the notifications of its ``"then"`` follow it,
    and with ``"close"`` the connection's end.
    """
    called: list[str] = []

    def handle(connection: ServerConnection) -> None:
        try:
            for text in connection:
                request = json.loads(text)
                called.append(request["method"])
                answer = answers[request["method"]]
                body = answer(request["params"]) if callable(answer) else answer
                result = {name: value for name, value in body.items() if name not in ("then", "close")}
                kind = body if "error" in body else {"result": result}
                connection.send(json.dumps({"jsonrpc": "2.0", "id": request["id"], **kind}))
                for method, params in body.get("then", ()):
                    connection.send(json.dumps({"jsonrpc": "2.0", "method": method, "params": params}))
                if "close" in body:
                    connection.close()
        except ConnectionClosed:
            pass

    with unix_serve(handle, path, subprotocols=["headless.v1"], compression=None, **options) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield called
        finally:
            server.shutdown()
            thread.join()


def run_shell(world: World, script: str, limit_s: float = 30) -> "subprocess.CompletedProcess[bytes]":
    """Run a line of a real shell, in which ``$H`` is the installed command, as cron would."""
    return subprocess.run(
        ["/bin/sh", "-c", script],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={**world.environment, "H": HEADLESS},
        cwd="/",
        timeout=limit_s * TIME_SCALE,
        check=False,
    )


def wait_code(mark: Path) -> str:
    """The code of a job that lives until the test makes a file, and never longer than a test may take."""
    return (
        "import os, time; limit = time.monotonic() + 60\n"
        f"while not os.path.exists({str(mark)!r}) and time.monotonic() < limit: time.sleep(0.02)"
    )
