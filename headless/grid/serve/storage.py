"""A storage of the grid's own: a real XRootD as a child, started again when it dies, gone when the grid is."""

import asyncio
import contextlib
import logging
import os
import socket
import sys
import time

from headless.errors import ParameterError
from headless.grid.serve import storage_child
from headless.grid.serve.storage_folder import StorageFolder, find_program, find_user, is_free

if sys.platform == "win32":
    raise ImportError("a grid of one's own runs on POSIX systems only")

__all__ = ["StorageServer"]

START_LIMIT_S = 20.0
STOP_LIMIT_S = 5.0
PORT_LIMIT_S = 5.0
PAUSES_S = (0.5, 60.0)  # before it is started again: the first, doubled each time, up to the last
STEADY_S = 60.0  # after which a start counts as good
LOG_DAYS = "7"

log = logging.getLogger("headless.grid.storage")


class StorageServer:
    """One storage.

    Attributes:
        name: as VO::SITE::NAME.
        port: where it listens, on all addresses: XRootD 5.5 knows no other way.
    """

    def __init__(self, name: str, path: str, port: int, key: str) -> None:
        """Args:
        name: see above.
        path: of its folder.
        port: 0 for any.
        key: that envelopes for it are made with, as XRootD wants it.

        Raises:
            ParameterError: there is no XRootD, or the folder is of no use.
        """
        self.name = name
        self.port = port
        self._key = key
        self._program = find_program()
        self._account = find_user()
        self.folder = StorageFolder(path, self._account)
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start it and wait until it listens; from then on it is kept running.

        Raises:
            ParameterError: it does not start; the message has its own words.
        """
        stale = self.folder.end_stale()
        if stale is not None:
            log.warning("storage-stale name=%s pid=%d", self.name, stale)
            await self._wait_for_port()
        if not self.port or not is_free(self.port):
            if self.port:
                log.warning("storage-port-taken name=%s port=%d", self.name, self.port)
            self.port = _choose_port()
        await self._spawn()
        self._keeper = asyncio.create_task(self._keep())

    async def _wait_for_port(self) -> None:
        """A process that is killed loses its command line first, and its sockets a moment later."""
        limit = time.monotonic() + PORT_LIMIT_S
        while self.port and not is_free(self.port) and time.monotonic() < limit:
            await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """End it."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        await self._end()
        self.folder.close()

    async def _end(self) -> None:
        if self._process is None or self._process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_LIMIT_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def _spawn(self) -> None:
        self.folder.prepare(self.name, self.port, self._key)
        command = [self._program, "-c", self.folder.configuration, "-l", self.folder.log, "-k", LOG_DAYS]
        first = [str(number) for number in (os.getpid(), self._account.uid, self._account.gid)]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", storage_child.__file__, *first, *command,
            cwd=self.folder.path, env={"PATH": os.defpath, "LANG": "C.UTF-8"},
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        self.folder.note_process(self._process.pid)
        await self._wait_listening(self._process)
        log.info("storage name=%s port=%d pid=%d", self.name, self.port, self._process.pid)

    async def _wait_listening(self, process: asyncio.subprocess.Process) -> None:
        limit = time.monotonic() + START_LIMIT_S
        while time.monotonic() < limit:
            if process.returncode is not None:
                break
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                return
            await asyncio.sleep(0.02)
        await self._end()
        raise ParameterError(f"storage {self.name} does not start: {self.folder.tell_failure()}")

    async def _keep(self) -> None:
        pause = PAUSES_S[0]
        while True:
            assert self._process is not None  # noqa: S101  # spawned before
            began = time.monotonic()
            status = await self._process.wait()
            if time.monotonic() - began > STEADY_S:
                pause = PAUSES_S[0]
            log.error("storage-died name=%s status=%d pause=%.1f", self.name, status, pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, PAUSES_S[1])
            try:
                await self._spawn()
            except (OSError, ParameterError) as exc:
                log.error("storage-start-failed name=%s reason=%r", self.name, str(exc))


def _choose_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        port: int = probe.getsockname()[1]
        return port
