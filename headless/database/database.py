"""A database behind one writer, whose commits many callers share.

SQLite (WAL, every commit synced) in the state folder, or PostgreSQL or MariaDB by URL. All writes go through one
thread: what comes while it commits is in the next transaction, so a hundred starts in the same instant cost two syncs,
not a hundred, and what a transaction decides (overlap, above all) nobody else decides at the same time.
"""

import asyncio
import contextlib
import functools
import logging
import os
import queue
import sqlite3
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, Self, TypeVar

from sqlalchemy import Connection
from sqlalchemy.engine import URL
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError, SQLAlchemyError

from headless.database.backends import build_engine, check_url
from headless.database.links import Links
from headless.database.lock import BEATS_S, LOCK_WAIT_S, await_lock, tell_alive
from headless.database.schema import Schema
from headless.errors import ParameterError, Unavailable

if sys.platform == "win32":
    raise ImportError("the server runs on POSIX systems only: give --service HOST:PORT of one")

__all__ = ["LOCK_PATIENCE_S", "Database"]

CUT_PAUSE_S = 0.1  # between tries to cut a connection: one may just be made
BATCH = 500  # callers that share one commit
LOCK_PATIENCE_S = 5.0
"""For which the lock is waited for when the writer connects anew: its own session may not have ended yet."""
NETWORK_FILE_SYSTEMS = ("nfs", "nfs4", "cifs", "smb3", "9p", "afs", "ceph", "lustre", "fuse.sshfs", "glusterfs")

log = logging.getLogger("headless.database")
Result = TypeVar("Result")
_Work = tuple[Callable[[Connection], Any], "asyncio.Future[Any]"]


class Database:
    """An open database of one schema. Use :meth:`open`, within a running event loop."""

    schema: ClassVar[Schema]
    readers: ClassVar[int] = 2
    """Threads; in WAL mode they neither wait for the writer nor keep it waiting."""

    def __init__(self, url: URL, path: str) -> None:
        """Args:
        url: of the database.
        path: what to call it in messages.
        """
        self._path = path
        self._links = Links()
        self._engine = build_engine(url, self._links)
        self._loop = asyncio.get_running_loop()
        self._work: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._readers = ThreadPoolExecutor(self.readers, f"{self.schema.name}-read")
        self._writer = threading.Thread(target=self._run_writer, name=f"{self.schema.name}-write", daemon=True)
        self._connection: Connection | None = None  # the writer's; but on SQLite it holds the lock
        self._failing = ""  # why the last write has failed, if it has

    @classmethod
    def open(cls, url: str, state: str, wait_s: float = LOCK_WAIT_S) -> Self:
        """Open it; a new one is made, an older one brought up to date.

        Args:
            url: ``postgresql://...``, ``mysql://...`` where the schema is made for it; empty for the file in the state
                folder.
            state: the server's state folder, absolute.
            wait_s: for which the lock of a server that is no more is waited for.

        Raises:
            Held: it is in use by another server.
            ParameterError: it is no database of ours, of a newer version, or cannot be read or written; the message
                says which.
        """
        path = os.path.join(state, cls.schema.file)
        known = cls.schema.backends
        parsed = check_url(url, cls.schema.name, known) if url else URL.create("sqlite", database=path)
        shown = parsed.render_as_string(hide_password=True) if url else path
        if not url:
            _check_file_system(state, cls.schema.name)
        database = cls(parsed, shown)
        try:
            database._prepare(wait_s)
        except ParameterError as exc:
            database._release()
            raise type(exc)(f"{cls.schema.name} {shown}: {exc}") from exc
        except SQLAlchemyError as exc:
            database._release()
            raise ParameterError(f"{cls.schema.name} {shown} is of no use: {_explain(exc)}") from exc
        database._writer.start()
        return database

    async def write(self, function: Callable[[Connection], Result]) -> Result:
        """Run a function within a transaction; once this returns, what it has written is on disk.

        The function runs in the writer's thread, beside those of other callers in the same transaction, each in a
        savepoint of its own: one that raises undoes its own work only.

        Raises:
            Unavailable: the disk is full, the database is away. Nothing was written, or the answer to the commit was
                lost: what was asked may be found in it later.
            Exception: what the function has raised.
        """
        done: asyncio.Future[Result] = self._loop.create_future()
        self._work.put((function, done))
        return await done

    async def read(self, function: Callable[[Connection], Result]) -> Result:
        """Run a function that only reads, beside the writer.

        Raises:
            Unavailable: the database is away.
        """
        return await self._loop.run_in_executor(self._readers, self._read, function)

    async def read_apart(self, function: Callable[[Connection], Result]) -> Result:
        """Run a function that only reads, though all readers be at something that takes long, or hangs.

        The end of the process does not wait for it.

        Raises:
            Unavailable: the database is away.
        """
        done: asyncio.Future[Result] = self._loop.create_future()
        threading.Thread(target=self._read_for, args=(function, done), daemon=True).start()
        return await done

    async def close(self, limit_s: float | None = None) -> None:
        """End when all that was asked for is written.

        Args:
            limit_s: after which the database is not waited for any more: what it was at is then done, or is not.
        """
        self._work.put(None)
        ended = asyncio.ensure_future(asyncio.to_thread(self._join, limit_s is not None))
        while not (await asyncio.wait([ended], timeout=limit_s))[0]:
            if not self._links.is_cut:
                log.warning("%s-left reason=%r", self.schema.name, f"it has not answered for {limit_s:g} s")
            self._links.cut()
            limit_s = CUT_PAUSE_S
        if limit_s is not None:
            self._links.cut()  # those that are read apart, which nobody waits for
        self._release()

    def _join(self, is_hurried: bool) -> None:
        self._readers.shutdown(cancel_futures=is_hurried)
        self._writer.join()

    def _prepare(self, wait_s: float) -> None:
        if self._engine.dialect.name == "sqlite" and not os.path.lexists(self._path):
            os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        connection = self._connect(wait_s)
        with connection.begin():
            before = self.schema.upgrade(connection)
        last = len(self.schema.migrations)
        if before not in (0, last):
            log.info("%s-migrated from=%d to=%d", self.schema.name, before, last)

    def _connect(self, wait_s: float = LOCK_PATIENCE_S) -> Connection:
        """The writer's connection, made anew after a failure; nobody else writes while it lives.

        Raises:
            Held: another server writes it.
            SQLAlchemyError: the database cannot be reached.
        """
        if self._connection is None:
            self._connection = self._engine.connect()
            with self._connection.begin():
                await_lock(self._connection, self.schema.advisory_lock, wait_s, functools.partial(self._tell, wait_s))
                self.forget(self._connection)
        return self._connection

    def forget(self, connection: Connection) -> None:
        """Called by the writer when it has connected: what is remembered of the tables may be wrong.

        A database that comes back may be a replica, or a copy, that lacks what was committed last.
        """

    def _tell(self, wait_s: float, holder: str) -> None:
        if wait_s <= LOCK_PATIENCE_S:
            return  # it is told as the reason why something else has failed, if it has
        log.warning("%s-locked limit_s=%d reason=%r", self.schema.name, wait_s, f"in use by another server{holder}")

    def _release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()  # given back it would be reset, for which the database must answer
            connection.close()
        self._engine.dispose()

    def _read(self, function: Callable[[Connection], Result]) -> Result:
        try:
            with self._engine.connect() as connection:
                return function(connection.execution_options(reads=True))
        except DBAPIError as exc:
            raise Unavailable(f"the server cannot read its {self.schema.name}: {_explain(exc)}") from exc

    def _read_for(self, function: Callable[[Connection], Result], done: "asyncio.Future[Result]") -> None:
        result: Any
        try:
            result = self._read(function)
        except Exception as exc:  # noqa: BLE001  # the caller's, handed back to it
            result = exc
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            self._loop.call_soon_threadsafe(_resolve, [done], [result])

    def _run_writer(self) -> None:
        work = self._await_work()
        while work is not None:
            batch: list[_Work] = []
            while work is not None and len(batch) < BATCH:
                batch.append(work)
                if self._work.empty():
                    break
                work = self._work.get()
            results = self._write_batch([function for function, _ in batch])
            self._loop.call_soon_threadsafe(_resolve, [done for _, done in batch], results)
            if work is batch[-1]:
                work = self._await_work()

    def _await_work(self) -> _Work | None:
        while True:
            try:
                return self._work.get(timeout=BEATS_S.get(self._engine.dialect.name))
            except queue.Empty:
                self._beat()

    def _beat(self) -> None:
        """Keep the lock while there is nothing to write; what is gone is found out, and told, by the next write."""
        if self._connection is None:
            return
        try:
            tell_alive(self._connection)
        except SQLAlchemyError:
            self._give_up()

    def _write_batch(self, functions: list[Callable[[Connection], Any]]) -> list[Any]:
        """Run all in one transaction; the result, or the exception, of each."""
        results: list[Any] = []
        try:
            connection = self._connect()
            with connection.begin():
                for function in functions:
                    results.append(_run_savepoint(connection, function))
        except (SQLAlchemyError, ParameterError) as exc:
            reason = _explain(exc)
            self._give_up()
            # Told once, and not at each try while the database is away.
            if reason != self._failing and not self._links.is_cut:
                log.error("%s-write-failed reason=%r", self.schema.name, reason)
            self._failing = reason
            return [Unavailable(f"the server cannot write its {self.schema.name}: {reason}") for _ in functions]
        except Exception as exc:
            log.exception("bug in the database")  # the thread goes on: without it nothing is ever written again
            self._give_up()
            return [
                Unavailable(f"the server cannot write its {self.schema.name}: {type(exc).__name__}") for _ in functions
            ]
        if self._failing:
            log.info("%s-written-again", self.schema.name)
        self._failing = ""
        return results

    def _give_up(self) -> None:
        """Leave a connection of which nothing is known any more: it must not keep the lock from the next one."""
        with contextlib.suppress(Exception):
            self._release()


def _run_savepoint(connection: Connection, function: Callable[[Connection], Any]) -> Any:
    try:
        with connection.begin_nested():
            return function(connection)
    except DBAPIError as exc:
        if not isinstance(exc, IntegrityError | DataError | ProgrammingError):
            raise  # full, read-only, away, too slow: of no use to the others either
        log.exception("bug in a write")
        return exc
    except Exception as exc:  # noqa: BLE001  # the caller's, handed back to it
        return exc


def _resolve(futures: "list[asyncio.Future[Any]]", results: list[Any]) -> None:
    for future, result in zip(futures, results, strict=True):
        if future.cancelled():
            continue
        if isinstance(result, BaseException):
            future.set_exception(result)
        else:
            future.set_result(result)


def _check_file_system(state: str, name: str) -> None:
    """WAL needs memory that all its users share, which no network has (https://sqlite.org/wal.html)."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.split() for line in file]
    except OSError:
        return
    place, kind = "", ""
    for fields in lines:
        mount = fields[4]
        if (state + "/").startswith(mount.rstrip("/") + "/") and len(mount) >= len(place):
            place, kind = mount, fields[fields.index("-") + 1]
    if kind in NETWORK_FILE_SYSTEMS:
        raise ParameterError(
            f"the state folder {state} is on a network file system ({kind}), which cannot hold the {name}: choose"
            f" a local folder with --state, or a PostgreSQL database with --{name}"
        )


def _explain(error: Exception) -> str:
    """The driver's own words, on one line."""
    original = error.orig if isinstance(error, DBAPIError) else error
    text = " ".join(str(original).split()) or type(original).__name__
    if isinstance(original, sqlite3.DatabaseError):
        if "not a database" in text or "malformed" in text:
            return f"{text}: restore it from a backup, or move it away (running jobs are then not known any more)"
        if "locked" in text:
            return f"{text}: another program has it open"
    return text
