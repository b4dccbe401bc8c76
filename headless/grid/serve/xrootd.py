"""What the grid itself asks its storages, with envelopes of its own: through XRootD's client library, in threads."""

import asyncio
import errno
import fcntl
import hashlib
import importlib
import os
import signal
import stat
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from headless.extras import tell_install
from headless.grid.errnos import EIO, ENOLINK, EREMOTEIO
from headless.grid.messages import GridError
from headless.grid.serve.envelopes import READ, SERVER, WRITE, Envelopes
from headless.grid.serve.stores import Store

if sys.platform == "win32":
    raise ImportError("a grid of one's own runs on POSIX systems only")

__all__ = ["COPY_LIMIT_S", "Content", "Found", "StorageClient"]

NOT_FOUND = 3011  # XProtocol: kXR_NotFound
ERROR_RESPONSE = 400  # XrdClStatus: errErrorResponse: the storage has answered, and said no
THREADS = 8
CHUNK = 4 << 20  # bytes
LIMIT_S = 20  # for which a storage may think
COPY_LIMIT_S = 6 * 3600
LIFETIME_S = 300.0  # of the grid's own envelopes
# A storage that was away is asked again at once, and not waited for: whoever asks has others to ask.
SETTINGS = {
    "TimeoutResolution": 1,
    "ConnectionRetry": 1,
    "ConnectionWindow": 5,
    "StreamErrorWindow": 0,
    "RequestTimeout": LIMIT_S,
    "StreamTimeout": LIMIT_S,
}

Result = TypeVar("Result")


@dataclass(frozen=True)
class Found:
    """A file at a storage.

    Attributes:
        size: bytes.
        took_ms: milliseconds that the answer took.
    """

    size: int
    took_ms: int


@dataclass(frozen=True)
class Content:
    """What a file at a storage holds: its size in bytes and its MD5 sum in hex."""

    size: int
    md5: str


class StorageClient:
    """Asks storages."""

    def __init__(self, envelopes: Envelopes) -> None:
        """Args:
        envelopes: makes what it shows to the storages.
        """
        self._envelopes = envelopes
        self._threads = ThreadPoolExecutor(THREADS, "storage")
        self._is_set_up = False
        self._is_closed = False

    def close(self) -> None:
        """Wait for nothing."""
        self._is_closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def find(self, store: Store, path: str) -> Found | None:
        """What a storage says of a file; ``None``: it has none.

        Raises:
            GridError: ENOLINK: the storage does not answer; EREMOTEIO: it refuses.
        """
        return await self._run(lambda: self._find(store, path))

    async def seal(self, store: Store, path: str) -> Found | None:
        """Make a file read-only, so that no envelope that is still about can change it; and look at it.

        Raises:
            GridError: as :meth:`find`.
        """
        return await self._run(lambda: _seal_here(store, path) if store.folder else self._seal(store, path))

    async def remove(self, store: Store, path: str) -> None:
        """Remove a file; one that is not there is removed. A folder goes with what an envelope's holder put in it.

        Raises:
            GridError: as :meth:`find`.
        """
        await self._run(lambda: self._remove(store, path))

    async def write_small(self, store: Store, path: str, data: bytes) -> None:
        """Write a file in one go; one of this path is replaced.

        Raises:
            GridError: as :meth:`find`.
        """
        await self._run(lambda: self._write_small(store, path, data))

    async def read_md5(self, store: Store, path: str) -> str:
        """The MD5 sum that the storage computes of a file, in hex.

        Raises:
            GridError: as :meth:`find`.
        """
        return await self._run(lambda: self._read_md5(store, path))

    async def read(self, store: Store, path: str, limit: int) -> bytes:
        """A file's first bytes, at most ``limit``.

        Raises:
            GridError: as :meth:`find`.
        """
        return await self._run(lambda: self._read(store, path, limit))

    async def hash(self, store: Store, path: str) -> Content | None:
        """What a file holds, every byte read anew: a sum that a storage remembers is no look at its disk.

        Returns:
            ``None``: the storage has no such file.

        Raises:
            GridError: as :meth:`find`.
        """
        return await self._run(lambda: self._hash(store, path))

    async def read_space(self, store: Store) -> tuple[int, int]:
        """All bytes of a storage, and the free ones.

        Raises:
            GridError: as :meth:`find`.
        """
        return await self._run(lambda: self._read_space(store))

    async def copy(self, source: Store, source_path: str, target: Store, target_path: str) -> None:
        """Copy a file between storages through this process's memory. Whoever asks checks what has come.

        Raises:
            GridError: EIO: it failed; nothing is left at the target.
        """
        await self._run(lambda: self._copy(source, source_path, target, target_path))

    async def _run(self, function: Callable[[], Result]) -> Result:
        if not self._is_set_up:
            _set_up()
            self._is_set_up = True
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)

    def _find(self, store: Store, path: str) -> Found | None:
        began = time.monotonic()
        status, answer = _connect(store).stat(self._show(store, path, READ), timeout=LIMIT_S)
        if _is_missing(status):
            return None
        _check(store, status)
        if answer.flags & _load("flags").StatInfoFlags.IS_DIR:
            return None
        return Found(answer.size, int((time.monotonic() - began) * 1000))

    def _seal(self, store: Store, path: str) -> Found | None:
        modes = _load("flags").AccessMode
        mode = modes.UR | modes.GR | modes.OR
        status, _ = _connect(store).chmod(self._show(store, path, SERVER), mode, timeout=LIMIT_S)
        if _is_missing(status):
            return None
        _check(store, status)
        return self._find(store, path)

    def _remove(self, store: Store, path: str) -> None:
        system, shown = _connect(store), self._show(store, path, SERVER)
        status, _ = system.rm(shown, timeout=LIMIT_S)
        if status.ok or _is_missing(status):
            return
        read, listed = system.dirlist(shown, timeout=LIMIT_S)
        if not read.ok:
            _check(store, status)
        for entry in listed:
            self._remove(store, f"{path}/{entry.name}")
        status, _ = system.rmdir(shown, timeout=LIMIT_S)
        if not _is_missing(status):
            _check(store, status)

    def _write_small(self, store: Store, path: str, data: bytes) -> None:
        flags = _load("flags").OpenFlags
        file = _load().File()
        url = store.locate(self._show(store, path, (*WRITE, *SERVER)))
        status, _ = file.open(url, flags.DELETE | flags.MAKEPATH, timeout=LIMIT_S)
        _check(store, status)
        try:
            status, _ = file.write(data, 0, timeout=LIMIT_S)
            _check(store, status)
        finally:
            status, _ = file.close(timeout=LIMIT_S)
        _check(store, status)

    def _read_md5(self, store: Store, path: str) -> str:
        shown = self._show(store, path, READ)
        status, answer = _connect(store).query(_load("flags").QueryCode.CHECKSUM, shown, timeout=10 * LIMIT_S)
        _check(store, status)
        kind, _, value = str(answer.decode("ascii", "replace")).strip("\0\n ").partition(" ")
        if kind != "md5":
            raise GridError(EREMOTEIO, f"{store.name} computes {kind}, not md5")
        return value

    def _read(self, store: Store, path: str, limit: int) -> bytes:
        with _load().File() as file:
            status, _ = file.open(store.locate(self._show(store, path, READ)), timeout=LIMIT_S)
            _check(store, status)
            status, data = file.read(0, limit, timeout=LIMIT_S)
            _check(store, status)
            return bytes(data)

    def _hash(self, store: Store, path: str) -> Content | None:
        digest, size = hashlib.md5(usedforsecurity=False), 0
        with _load().File() as file:
            status, _ = file.open(store.locate(self._show(store, path, READ)), timeout=LIMIT_S)
            if _is_missing(status):
                return None
            _check(store, status)
            while not self._is_closed:
                status, data = file.read(size, CHUNK, timeout=LIMIT_S)
                _check(store, status)
                if not data:
                    return Content(size, digest.hexdigest())
                digest.update(data)
                size += len(data)
        raise GridError(EIO, "the server stops")

    def _read_space(self, store: Store) -> tuple[int, int]:
        status, answer = _connect(store).query(
            _load("flags").QueryCode.SPACE, self._show(store, "/", SERVER), timeout=LIMIT_S
        )
        _check(store, status)
        values = dict(part.partition("=")[::2] for part in answer.decode("ascii", "replace").strip("\0\n").split("&"))
        return int(values.get("oss.space", "0")), int(values.get("oss.free", "0"))

    def _copy(self, source: Store, source_path: str, target: Store, target_path: str) -> None:
        process = _load().CopyProcess()
        process.add_job(
            source.locate(self._show(source, source_path, READ)),
            target.locate(self._show(target, target_path, (*WRITE, *SERVER))),
            force=True,
            posc=True,
            mkdir=True,
            cptimeout=COPY_LIMIT_S,
        )
        status = process.prepare()
        if status.ok:
            status, _ = process.run(_Watch(lambda: self._is_closed))
        if not status.ok:
            raise GridError(EIO, _explain(status))

    def _show(self, store: Store, path: str, activities: tuple[str, ...]) -> str:
        envelope = self._envelopes.build(store.name, path, "grid", activities, LIFETIME_S)
        return f"{path}?xrd.wantprot=unix&authz={envelope}"


class _Watch:
    """Ends a copy when the server stops: its threads are waited for at the process's end."""

    def __init__(self, is_over: Callable[[], bool]) -> None:
        self._is_over = is_over

    def begin(self, *_: object) -> None:
        """A copy begins."""

    def end(self, *_: object) -> None:
        """A copy has ended."""

    def update(self, *_: object) -> None:
        """A copy goes on."""

    def should_cancel(self, _: int) -> bool:
        """Whether to go on at all."""
        return self._is_over()


def _set_up() -> None:
    for name, value in SETTINGS.items():
        _load("env").EnvPutInt(name, value)


def _load(part: str = "") -> Any:
    """The client library, or a part of it; it has no types."""
    try:
        return importlib.import_module(f"XRootD.client.{part}".rstrip("."))
    except ImportError as exc:
        raise GridError(EIO, f"the server lacks XRootD's client: {tell_install('grid')}") from exc


def _seal_here(store: Store, path: str) -> Found | None:
    """Of our own storage the file itself: XRootD would do the same to it, two envelopes and round trips later."""
    try:
        descriptor = os.open(store.folder + path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        _check_there(store)
        return None
    except OSError as exc:
        raise GridError(EREMOTEIO, f"{store.name}: {exc.strerror}") from exc
    try:
        _check_there(store)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # an envelope is good for what lies below its path too
            return None
        os.fchmod(descriptor, 0o444)
        if _has_writer(descriptor):
            raise GridError(EREMOTEIO, f"{store.name}: the file is still open to be written: close it first")
        return Found(os.fstat(descriptor).st_size, 0)
    except OSError as exc:
        raise GridError(EREMOTEIO, f"{store.name}: {exc.strerror}") from exc
    finally:
        os.close(descriptor)


def _check_there(store: Store) -> None:
    """A file in a mount point is none: its disk hides it when it is back.

    Raises:
        GridError: EREMOTEIO: the storage's disk is gone.
    """
    try:
        found = os.stat(store.folder)
    except OSError as exc:
        raise GridError(EREMOTEIO, f"{store.name}: its disk is gone: {exc.strerror}") from exc
    if (found.st_dev, found.st_ino) != store.identity:
        raise GridError(EREMOTEIO, f"{store.name}: its disk is gone")


def _has_writer(descriptor: int) -> bool:
    """Whether somebody opened a file before it was sealed, and can still write; where the system tells it.

    Linux gives a read lease only on what nobody has open for writing (fcntl(2)).
    """
    if sys.platform != "linux":
        return False
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)  # else whoever opens it now would have us killed
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as exc:
        return exc.errno == errno.EAGAIN  # others: a file system, or a container, that grants no leases
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def _connect(store: Store) -> Any:
    return _load().FileSystem(store.url)


def _is_missing(status: Any) -> bool:
    return bool(status.code == ERROR_RESPONSE and status.errno == NOT_FOUND)


def _check(store: Store, status: Any) -> None:
    if status.ok:
        return
    if status.code == ERROR_RESPONSE:
        raise GridError(EREMOTEIO, f"{store.name}: {_explain(status)}")
    raise GridError(ENOLINK, f"{store.name} does not answer: {_explain(status)}")


def _explain(status: Any) -> str:
    return " ".join(str(status.message).split("?authz=")[0].split())
