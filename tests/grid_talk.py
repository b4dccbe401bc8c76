"""JAliEn's protocol as a script would speak it, with websockets alone: no client of ours stands between."""

import json
import ssl
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from websockets.sync.client import connect

from grid_support import GridUser
from support import TIME_SCALE


@dataclass(frozen=True)
class Said:
    """A reply."""

    code: int
    error: str
    rows: list[dict[str, str]]


class Talk:
    """A session; to be used in a ``with``."""

    def __init__(self, user: GridUser, certificate: str = "", key: str = "") -> None:
        """Log in, with the user's own certificate or another."""
        variables = user.variables
        context = ssl.create_default_context(cafile=variables["X509_CERT_FILE"])
        context.load_cert_chain(certificate or variables["X509_USER_CERT"], key or variables["X509_USER_KEY"])
        url = f"wss://localhost:{user.server.port}/websocket/json"
        self._stack = ExitStack()
        self._socket = self._stack.enter_context(connect(url, ssl=context, open_timeout=10 * TIME_SCALE, max_size=None))

    def run(self, command: str, *options: str | int) -> Said:
        """Have a command done."""
        self._socket.send(json.dumps({"command": command, "options": ["-nomsg", *options]}))
        answer: dict[str, Any] = json.loads(self._socket.recv(60 * TIME_SCALE))
        metadata = answer["metadata"]
        return Said(int(metadata["exitcode"]), metadata["error"], answer["results"])

    def ask(self, command: str, *options: str | int) -> list[dict[str, str]]:
        """The same, where it must succeed."""
        said = self.run(command, *options)
        assert said.code == 0, said.error
        return said.rows

    def __enter__(self) -> "Talk":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
