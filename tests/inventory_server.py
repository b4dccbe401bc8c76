"""A collector of a test's own: a real ``headless inventory serve`` on a free port of loopback."""

import os
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Self

from headless.inventory.text import write_text
from inventory_support import make_report
from support import HEADLESS, TIME_SCALE, wait_for

LIMIT_S = 20 * TIME_SCALE
TLS = """
[feeds.feed]
sites = ["*"]
subjects = ["CN=site-a"]

[serve]
tls_cert = "localhost.pem"
tls_key = "localhost.key"
client_ca = "ca.pem"
"""
"""Settings of a collector with TLS, and a feed for the holder of a client certificate."""


class CollectorServer:
    """A ``headless inventory serve`` of a test.

    Attributes:
        port: where it listens; the same one after a restart.
        variables: of its environment, beside cron's.
    """

    def __init__(
        self, folder: Path, settings: str = "", options: Sequence[str] = (), state: Path | None = None
    ) -> None:
        """Args:
        folder: for its log and its settings.
        settings: of its TOML file; empty for none.
        options: for the command.
        state: its state folder; left out: within ``folder``.
        """
        self.folder = folder
        self.state = state or folder / "state"
        self.options = list(options)
        if settings:
            file = folder / "collector.toml"
            file.write_text(settings)
            self.options += ["--config", str(file)]
        self.port = 0
        self.variables: dict[str, str] = {}
        self.log_file = folder / "collector.log"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    @property
    def log(self) -> str:
        """All that was logged."""
        return self.log_file.read_text()

    def start(self) -> Self:
        """Start, or start again, and wait until it listens."""
        read, write = os.pipe()
        environment = {"HOME": str(self.folder), "PATH": "/usr/bin:/bin", **self.variables}
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [HEADLESS, "inventory", "serve", "--state", str(self.state), "--listen", f"127.0.0.1:{self.port}",
                 "--ready-fd", str(write), *self.options],
                cwd="/", env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(write,),
            )  # fmt: skip
        os.close(write)
        with os.fdopen(read) as pipe:
            address = pipe.readline()
        assert address, self.log
        self.port = int(address.rpartition(":")[2])
        return self

    def stop(self) -> None:
        """End it as an administrator would."""
        assert self.process is not None
        self.process.terminate()
        assert self.process.wait(LIMIT_S) == 0, self.log

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def hang_up(self, word: str) -> None:
        """Send SIGHUP, and wait until one more line of the log has a word."""
        assert self.process is not None
        before = self.log.count(word)
        self.process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.log.count(word) > before, f"{word} in the log")

    def find_fates(self, host: str) -> list[tuple[str, str, str]]:
        """What became of a host's reports: fate, reason, and how it came (JSON)."""
        return self._ask("select fate, reason, how from letters where host = ? order by id", host)

    def wait_fate(self, host: str, count: int = 1) -> list[tuple[str, str, str]]:
        """Wait until so many of a host's reports are processed."""
        wait_for(lambda: len(self.find_fates(host)) >= count, f"{count} reports of {host}", 30)
        return self.find_fates(host)

    def count_letters(self) -> int:
        """How many reports were processed."""
        return int(self._ask("select count(*) from letters")[0][0])

    def list_hosts(self) -> list[str]:
        """The names of all hosts of the inventory."""
        ask = "select hosts.name || '.' || domains.name from hosts join domains on domains.id = domain_id"
        return [str(row[0]) for row in self._ask(ask, file="inventory.db")]

    def count_spans(self) -> int:
        """How many stretches of time the inventory knows of."""
        return int(self._ask("select count(*) from spans", file="inventory.db")[0][0])

    def count_waiting(self) -> int:
        """How many files are in the spool."""
        return len(list((self.state / "spool").glob("*.batch")))

    def _ask(self, query: str, *values: str, file: str = "envelopes.db") -> list[tuple[str, str, str]]:
        with closing(sqlite3.connect(self.state / file, timeout=10 * TIME_SCALE)) as connection:
            return connection.execute(query, values).fetchall()


def write_report(host: str, version: str = "1") -> bytes:
    """A report of a host, as text."""
    return write_text(make_report(version, host=host))


def talk(port: int, *parts: bytes, source: str = "", half_close: bool = False) -> bytes:
    """Send bytes as they are; return all that comes until the other side closes."""
    with open_socket(port, source) as channel:
        try:
            for part in parts:
                channel.sendall(part)
            if half_close:
                channel.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has closed already: what it said before is read all the same
        return read_all(channel)


def open_socket(port: int, source: str = "") -> socket.socket:
    """Connect, from some address of loopback."""
    return socket.create_connection(("127.0.0.1", port), LIMIT_S, (source, 0) if source else None)


def read_all(channel: socket.socket) -> bytes:
    """Read until the other side closes, or cuts off."""
    data = b""
    try:
        while piece := channel.recv(65536):
            data += piece
    except ConnectionError:
        pass
    return data


def post(path: str, body: bytes, *headers: str, length: int | str | None = None) -> bytes:
    """A request, whose connection ends with it."""
    head = [f"POST {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers]
    head.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([*head, "", ""]).encode() + body


def read_status(answer: bytes) -> int:
    """The status of the last answer; 0 if there is none."""
    lines = [line for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    return int(lines[-1].split()[1]) if lines else 0
