"""What has come and is not processed yet: on disk before it is answered, in files that many callers share.

All that comes while a file is written and synced goes into the next one: so a hundred bodies cost three syncs, not
three hundred. A file is whole or not there: it has its name only when it is synced.
"""

import asyncio
import contextlib
import errno
import itertools
import json
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any

from headless.errors import ParameterError, Unavailable
from headless.execution.files import sync_folder, write_synced

if sys.platform == "win32":
    raise ImportError("the collector runs on POSIX systems only")

__all__ = ["PART_BYTES", "Arrived", "Letter", "Spool", "count_tries", "find_arrival"]

GROUP = 256  # bodies in one file at most
GROUP_BYTES = 16 << 20  # of bodies, above which a file takes no more
PART_BYTES = 4 << 20
"""Of bodies, more than which are processed at a time only if one alone has more: what is read takes many times that."""
HALF = 0.5  # of the limit, below which a full spool is told to have room again
QUIET_S = 60.0  # between two lines of the log about a full disk
PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
TRIAL = 64 << 10  # bytes that must find room for the disk to be well: more than most reports
TRIED_S = 5.0  # for which what was written shows that it is
NEW, DONE = ".new", ".batch"

log = logging.getLogger("headless.inventory")


def count_tries(name: str) -> int:
    """How often a process has ended while it opened what is in a file of the spool."""
    return int(name.removesuffix(DONE).rsplit(".", 1)[1])


def find_arrival(name: str) -> float:
    """When a file of the spool was written, seconds since the epoch."""
    return int(name.partition("-")[0]) / 1e9


@dataclass(frozen=True, slots=True)
class Arrived:
    """How a body came.

    Attributes:
        received: when, seconds since the epoch.
        feed: the name of the feed.
        address: of the peer, or what else it came from: "file".
        subject: of the peer's TLS certificate; empty if it showed none.
        token: the name of the API token that it gave; empty if none.
        headers: those of the request that matter.
        any_age: whether somebody vouches for it however old it is.
    """

    received: int
    feed: str = ""
    address: str = ""
    subject: str = ""
    token: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    any_age: bool = False


@dataclass(frozen=True, slots=True)
class Letter:
    """A body, and how it came. ``replaces``: it was processed before, and is read anew."""

    how: Arrived
    body: bytes
    replaces: bool = False

    @property
    def digest(self) -> bytes:
        """What tells its body from others."""
        return sha256(self.body).digest()


_Put = tuple[Letter, "asyncio.Future[None]"]


class Spool:
    """A folder of bodies. Several processes may put into one; one takes out of it.

    Attributes:
        limit: bytes that may wait.
    """

    def __init__(self, folder: str, limit: int) -> None:
        """Args:
        folder: absolute; made if it is not there.
        limit: bytes; what would go above it is refused.

        Raises:
            ParameterError: the folder is of no use.
        """
        self._folder = folder
        self.limit = limit
        self._queue: queue.SimpleQueue[_Put | None] = queue.SimpleQueue()
        self._numbers = itertools.count()
        self._writer: threading.Thread | None = None
        self._arrived = asyncio.Event()
        self._told = self._written = -QUIET_S
        self._promised = 0  # bytes that are not written yet
        self._is_full = False
        self._lock = threading.Lock()  # of both sizes, which the writer's thread changes too
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            self._size = self._measure()
        except OSError as exc:
            raise ParameterError(f"the spool {folder} is of no use: {exc.strerror}") from exc

    async def put(self, body: bytes, how: Arrived) -> None:
        """Keep a body; once this returns it is on disk, and will be processed.

        Raises:
            Unavailable: the spool or the disk is full. Nothing is kept.
        """
        await self.put_letter(Letter(how, body))

    async def put_letter(self, letter: Letter) -> None:
        """Keep a letter, see :meth:`put`."""
        self._promise(letter)
        if self._writer is None:
            self._loop = asyncio.get_running_loop()
            self._writer = threading.Thread(target=self._run_writer, name="spool-write", daemon=True)
            self._writer.start()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put((letter, done))
        await done

    async def close(self) -> None:
        """End when all that was put is on disk."""
        if self._writer is not None:
            self._queue.put(None)
            await asyncio.to_thread(self._writer.join)

    async def wait(self, limit_s: float) -> None:
        """Wait until something has been put in this process, or some time is over."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._arrived.wait(), limit_s)
        self._arrived.clear()

    @property
    def size(self) -> int:
        """Bytes that wait, with those that are promised room."""
        return self._size + self._promised

    def try_out(self) -> str:
        """Why nothing can be put at present; empty if something can. For a thread: a disk may not answer."""
        if self.size * 100 > self.limit * 99:
            return "it is full"
        if time.monotonic() < self._written + TRIED_S:
            return ""
        path = self._build_stem() + NEW
        try:
            write_synced(path, bytes(TRIAL))
        except OSError as exc:
            return f"it cannot be written: {exc.strerror}"
        finally:
            with contextlib.suppress(OSError):
                os.unlink(path)
        return ""

    def list_files(self) -> list[str]:
        """The names of what is there, the oldest first."""
        return sorted(name for name in os.listdir(self._folder) if name.endswith(DONE))

    def list_groups(self) -> Iterator[list[str]]:
        """The names of what is there, the oldest first, as many together as are well processed at a time.

        What may have ended a process stands alone: it must not be held against its neighbours.
        """
        group: list[str] = []
        size = 0
        for name in self.list_files():
            its_size = os.path.getsize(self._path(name))
            if group and (count_tries(name) or len(group) == GROUP or size + its_size > PART_BYTES):
                yield group
                group, size = [], 0
            group.append(name)
            size += its_size
            if count_tries(name):
                yield group
                group, size = [], 0
        if group:
            yield group

    @contextlib.contextmanager
    def mark(self, names: Sequence[str]) -> Iterator[None]:
        """Note in the files' names, for as long as the block runs, that what is in them is being opened.

        A file whose note is still there has ended the process that was at it, or was beside the one that did.

        Raises:
            Unavailable: the disk is full.
        """
        with contextlib.ExitStack() as stack:
            for name in names:
                stem, tries = name.removesuffix(DONE).rsplit(".", 1)
                noted = self._path(f"{stem}.{int(tries) + 1}{DONE}")
                try:
                    os.rename(self._path(name), noted)
                except OSError as exc:
                    raise Unavailable(f"the spool cannot be written: {exc.strerror}") from exc
                stack.callback(os.rename, noted, self._path(name))
            yield

    def read(self, name: str) -> list[Letter]:
        """Read a file.

        Raises:
            Unavailable: it cannot be read now: this process or the machine is short of something.
            OSError: it cannot be read.
            ValueError: it is damaged.
        """
        try:
            with open(self._path(name), "rb") as file:
                data = file.read()
        except OSError as exc:
            if exc.errno in PASSING:
                raise Unavailable(f"the spool cannot be read: {exc.strerror}") from exc
            raise
        letters, place = [], 0
        while place < len(data):
            end = data.index(b"\n", place)
            head: dict[str, Any] = json.loads(data[place:end])
            size = head.pop("size")
            place = end + 1 + size
            if place > len(data):
                raise ValueError("it ends early")
            letters.append(Letter(Arrived(**head["how"]), data[end + 1 : place], head["replaces"]))
        return letters

    def remove(self, name: str) -> None:
        """Forget a file: what was in it is processed."""
        path = self._path(name)
        size = os.path.getsize(path)
        os.unlink(path)
        self._grow(-size)
        if self._is_full and self._size < self.limit * HALF:
            self._is_full = False
            log.info("spool-has-room bytes=%d limit=%d", self._size, self.limit)

    def split(self, name: str) -> None:
        """Make a file of each of its letters, and forget it.

        Raises:
            Unavailable: the disk is full; what was made before stays, and changes nothing when it is made again.
        """
        for letter in self.read(name):
            error = self._try_write([letter])
            if error is not None:
                raise error
        self.remove(name)

    def set_aside(self, name: str) -> None:
        """Keep a damaged file under a name at which nobody looks."""
        self._grow(-os.path.getsize(self._path(name)))
        os.rename(self._path(name), self._path(name.removesuffix(DONE) + ".damaged"))

    def sweep(self) -> None:
        """Remove what was never whole: for the one who takes out, before it begins.

        A file that another process is about to finish is young, and stays.
        """
        for path, status in self._look(NEW):
            if status.st_mtime < time.time() - 3600:
                os.unlink(path)

    def _promise(self, letter: Letter) -> None:
        """Promise room for a letter.

        Raises:
            Unavailable: there is none; the log tells it once, and when there is again.
        """
        size = len(_build_head(letter)) + len(letter.body)
        with self._lock:
            has_room = self._size + self._promised + size <= self.limit
            self._promised += size if has_room else 0
        if has_room:
            return
        if not self._is_full:
            log.error("spool-full bytes=%d limit=%d", self._size, self.limit)
        self._is_full = True
        raise Unavailable("the spool is full")

    def _keep_promise(self, letters: Sequence[Letter]) -> None:
        with self._lock:
            self._promised -= sum(len(_build_head(letter)) + len(letter.body) for letter in letters)

    def _grow(self, size: int) -> None:
        with self._lock:
            self._size = max(self._size + size, 0)  # another process may have put what is removed here

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)

    def _measure(self) -> int:
        return sum(status.st_size for _, status in self._look(DONE))

    def _look(self, suffix: str) -> Iterator[tuple[str, os.stat_result]]:
        """The paths of the files whose names end so; another process may take them away meanwhile."""
        for entry in os.scandir(self._folder):
            if entry.name.endswith(suffix):
                with contextlib.suppress(FileNotFoundError):
                    yield entry.path, entry.stat()

    def _run_writer(self) -> None:
        ends = False
        while not ends:
            group, ends = self._gather()
            if group:
                letters = [letter for letter, _ in group]
                error = self._try_write(letters)
                self._keep_promise(letters)
                self._loop.call_soon_threadsafe(self._resolve, [done for _, done in group], error)

    def _gather(self) -> tuple[list[_Put], bool]:
        """What waits, at least one; and whether nothing more will come."""
        group: list[_Put] = []
        size = 0
        while (put := self._queue.get()) is not None:
            group.append(put)
            size += len(put[0].body)
            if len(group) == GROUP or size >= GROUP_BYTES or self._queue.empty():
                return group, False
        return group, True

    def _try_write(self, letters: Sequence[Letter]) -> Exception | None:
        try:
            self._write(letters)
        except OSError as exc:
            if time.monotonic() >= self._told + QUIET_S:  # each of those who come is told; the log is, now and then
                log.error("spool-write-failed reason=%r", exc.strerror)
                self._told = time.monotonic()
            return Unavailable(f"the spool cannot be written: {exc.strerror}")
        except Exception as exc:  # without this thread nobody would ever be answered again
            log.exception("bug in the spool")
            return exc
        return None

    def _resolve(self, futures: "list[asyncio.Future[None]]", error: Exception | None) -> None:
        self._arrived.set()
        for future in futures:
            if not future.cancelled():
                future.set_exception(error) if error else future.set_result(None)

    def _write(self, letters: Sequence[Letter]) -> None:
        """Write a file, synced, under its name.

        Raises:
            OSError: it cannot be; nothing is left of it.
        """
        stem = self._build_stem()
        data = b"".join(_build_record(letter) for letter in letters)
        try:
            write_synced(stem + NEW, data)
            os.rename(stem + NEW, f"{stem}.0{DONE}")
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(stem + NEW)
            raise
        try:
            sync_folder(self._folder)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(f"{stem}.0{DONE}")
            raise
        self._grow(len(data))
        self._written = time.monotonic()

    def _build_stem(self) -> str:
        return self._path(f"{time.time_ns():020d}-{os.getpid()}-{next(self._numbers)}")


def _build_record(letter: Letter) -> bytes:
    return _build_head(letter) + letter.body


def _build_head(letter: Letter) -> bytes:
    head = {"size": len(letter.body), "how": asdict(letter.how), "replaces": letter.replaces}
    return json.dumps(head).encode() + b"\n"
