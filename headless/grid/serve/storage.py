"""A storage of the grid's own: a real XRootD as a child, started again when it dies, gone when the grid is.

While its disk is gone it does not run: it would begin anew in the empty mount point.
"""

import asyncio
import contextlib
import logging
import os
import socket
import sys
import time
from collections.abc import Awaitable, Callable

from headless.errors import HeadlessError, ParameterError
from headless.grid.serve import storage_child
from headless.grid.serve.storage_disk import StorageDisk
from headless.grid.serve.storage_folder import StorageFolder, find_program, find_user, is_free

if sys.platform == "win32":
    raise ImportError("a grid of one's own runs on POSIX systems only")

__all__ = ["StorageServer"]

START_LIMIT_S = 20.0
STOP_LIMIT_S = 5.0
PORT_LIMIT_S = 5.0
PAUSES_S = (0.5, 60.0)  # before it is started again: the first, doubled each time, up to the last
STEADY_S = 60.0  # after which a start counts as good
WATCH_S = 2.0  # between two looks at its disk
LOG_DAYS = "7"

Event = Callable[[], Awaitable[None]]

log = logging.getLogger("headless.grid.storage")


class StorageServer:
    """One storage.

    Attributes:
        name: as VO::SITE::NAME.
        port: where it listens, on all addresses: XRootD 5.5 knows no other way.
        is_away: whether its disk is gone; then it does not run.
        is_read_only: whether its disk takes nothing.
        disk: that its files are on.
    """

    def __init__(self, name: str, path: str, port: int, key: str, check: Event, back: Event) -> None:
        """Args:
        name: see above.
        path: of its folder.
        port: 0 for any.
        key: that envelopes for it are made with, as XRootD wants it.
        check: raises ParameterError if the folder is not the one that the catalogue knows.
        back: is called when it runs again after its disk was gone; its port may be another.

        Raises:
            ParameterError: there is no XRootD, or the folder is of no use.
        """
        self.name = name
        self.port = port
        self._key = key
        self._program = find_program()
        self._account = find_user()
        self.folder = StorageFolder(path, self._account)
        self.disk = StorageDisk(path, key)
        self.is_away = self.is_read_only = False
        self._check = check
        self._back = back
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
        try:
            await self._open()
        except OSError as exc:
            raise ParameterError(f"storage {self.name} does not start: {exc}") from exc
        self._keeper = asyncio.create_task(self._keep())

    async def _open(self) -> None:
        stale = self.folder.end_stale()
        if stale is not None:
            log.warning("storage-stale name=%s pid=%d", self.name, stale)
            await self._wait_for_port()
        if not self.port or not is_free(self.port):
            if self.port:
                log.warning("storage-port-taken name=%s port=%d", self.name, self.port)
            self.port = _choose_port()
        await self._spawn()

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
        self._let_go()

    def _let_go(self) -> None:
        self.disk.release()
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
            with contextlib.suppress(TimeoutError):  # a process that waits for a disk cannot be killed either
                await asyncio.wait_for(self._process.wait(), STOP_LIMIT_S)

    async def _spawn(self) -> None:
        self.folder.prepare(self.name, self.port, self._key)
        self.disk.take()
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
        pause, began = PAUSES_S[0], time.monotonic()
        while True:
            status = await self._wait_for_end(WATCH_S)
            if reason := await self.disk.look():
                await self._wait_for_disk(reason)
            elif status is None:
                self._note_read_only()
                continue
            else:
                if time.monotonic() - began > STEADY_S:
                    pause = PAUSES_S[0]
                log.error("storage-died name=%s status=%d pause=%.1f", self.name, status, pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, PAUSES_S[1])
                await self._start_again()
            began = time.monotonic()

    def _note_read_only(self) -> None:
        if self.is_read_only == self.disk.is_read_only:
            return
        self.is_read_only = self.disk.is_read_only
        if self.is_read_only:
            log.error("storage-read-only name=%s folder=%s", self.name, self.folder.path)
        else:
            log.warning("storage-writable name=%s folder=%s", self.name, self.folder.path)

    async def _wait_for_end(self, limit_s: float) -> int | None:
        """Its status, if it ends in time."""
        assert self._process is not None  # noqa: S101  # spawned before
        try:
            return await asyncio.wait_for(self._process.wait(), limit_s)
        except TimeoutError:
            return None

    async def _start_again(self) -> None:
        if await self.disk.look():
            return  # which the keeper sees too
        try:
            await self._spawn()
        except (OSError, ParameterError) as exc:
            log.error("storage-start-failed name=%s reason=%r", self.name, str(exc))

    async def _wait_for_disk(self, reason: str) -> None:
        """End it until its disk is back."""
        self.is_away = True
        log.error("storage-gone name=%s folder=%s reason=%r", self.name, self.folder.path, reason)
        await self._end()
        self._let_go()
        while fault := await self._take_back():
            if fault != reason:
                log.warning("storage-not-back name=%s reason=%r", self.name, fault)
                reason = fault
            await asyncio.sleep(WATCH_S)
        self.is_away = False
        log.warning("storage-back name=%s folder=%s", self.name, self.folder.path)

    async def _take_back(self) -> str:
        """Start it on the disk that is back; why not, if it is not."""
        if reason := await self.disk.look_back():
            return reason
        try:
            await self._check()
            self.folder = StorageFolder(self.folder.path, self._account)
            await self._open()
            await self._back()
        except (OSError, HeadlessError) as exc:
            await self._end()
            self._let_go()
            return str(exc)
        return ""


def _choose_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        port: int = probe.getsockname()[1]
        return port
