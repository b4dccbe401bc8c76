"""The audit log: who logged in, what was started, how it ended, who changed a permission.

``STATE/audit.log`` holds one JSON object a line. Each has the SHA-256 of the line before it (``previous``; 64 zeros in
the first), so that nothing can be changed, removed or put in between without a trace; ``audit_check`` looks for one. It
is only ever appended to, under a lock: the server and ``headless user`` write to the same file.

No secret belongs into it: callers hand over names, ids and hashes, never what a user has sent.
"""

import asyncio
import enum
import hashlib
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from headless.execution.files import sync_folder

if sys.platform == "win32":
    raise ImportError("the server runs on POSIX systems only: give --service HOST:PORT of one")

import fcntl

__all__ = ["FILE", "NO_LINE", "AuditAction", "AuditLog", "append_audit", "check_audit", "lock_audit", "parse_line"]

FILE = "audit.log"
NO_LINE = "0" * 64  # what the first line has before it
LINE_LIMIT = 64 * 1024  # bytes; what is longer was not written by us
TEXT_LIMIT = 1024  # characters of one value
QUEUE_LIMIT = 10_000  # lines that wait for the disk
LOCK_LIMIT_S = 10.0  # for which another process may hold the file
FLUSH_LIMIT_S = 10.0
BLOCK = 64 * 1024

log = logging.getLogger("headless.audit")


class AuditAction(enum.StrEnum):
    """What a line tells of."""

    SERVER_START = "server-start"
    SERVER_STOP = "server-stop"
    LOGIN = "login"
    REFUSED_LOGIN = "refused-login"
    START = "start"
    SKIPPED = "skipped"
    END = "end"
    CANCEL = "cancel"
    RERUN = "rerun"
    PRUNE = "prune"
    USER_ADD = "user-add"
    USER_REMOVE = "user-remove"
    USER_SECRET = "user-secret"  # noqa: S105  # a new one was made; what it is stands nowhere
    USER_ALLOW = "user-allow"
    USER_DENY = "user-deny"
    USER_LIMIT = "user-limit"
    USER_DISABLE = "user-disable"
    USER_ENABLE = "user-enable"


@dataclass(frozen=True)
class _Head:
    """The end of the file as this process left it."""

    inode: int
    size: int
    digest: str


class _Appender:
    """Appends to one audit log; not for two threads at a time."""

    def __init__(self, state: str) -> None:
        self._path = os.path.join(state, FILE)
        self._head: _Head | None = None
        self._reason = (0, "")  # errno and text of the last write that was cut short
        self.missing = 0  # lines before the next one that could not be written

    def append(self, entries: Sequence[dict[str, Any]]) -> None:
        """Write lines and have them on disk.

        Raises:
            OSError: those that are not in the file are counted in ``missing``.
        """
        written = 0
        try:
            descriptor = self._open()
            try:
                lock_audit(descriptor, fcntl.LOCK_EX)
                written = self._append_locked(descriptor, entries)
                if written < len(entries):
                    raise OSError(*self._reason)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError:
            self._head = None
            self.missing += len(entries) - written
            raise

    def check(self) -> None:
        """Raises:
        OSError: nothing could be appended.
        """
        os.close(self._open())

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.open(self._path, flags)
        except FileNotFoundError:
            descriptor = os.open(self._path, flags | os.O_CREAT, 0o600)
            sync_folder(os.path.dirname(self._path))
            return descriptor

    def _append_locked(self, descriptor: int, entries: Sequence[dict[str, Any]]) -> int:
        """Return how many lines are whole in the file; the reason, if they are not all, is kept."""
        status = os.fstat(descriptor)
        digest, prefix = NO_LINE, b""
        extra: dict[str, Any] = {}
        if self._head is not None and (self._head.inode, self._head.size) == (status.st_ino, status.st_size):
            digest = self._head.digest
        elif status.st_size:
            digest, is_ended, last_whole = _read_end(descriptor, status.st_size)
            prefix = b"" if is_ended else b"\n"
            # A torn line has no link to those before it: this one is in its place.
            extra = {"torn": last_whole} if last_whole else {}
        if self.missing:
            extra["missing"] = self.missing
        pieces, size, ends = [prefix], len(prefix), []
        for entry in entries:
            line = _build_line({"previous": digest, **entry, **extra})
            digest, extra = hashlib.sha256(line).hexdigest(), {}
            pieces += [line, b"\n"]
            size += len(line) + 1
            ends.append(size)
        count, self._reason = _write_all(descriptor, b"".join(pieces))
        whole = sum(end <= count for end in ends)
        if whole:
            self.missing = 0
        self._head = _Head(status.st_ino, status.st_size + size, digest) if whole == len(ends) else None
        return whole


class AuditLog:
    """The server's: lines are written by a thread of its own, those that come together with one sync."""

    def __init__(self, state: str) -> None:
        """Args:
        state: the server's state folder.
        """
        self._appender = _Appender(state)
        self._changed = threading.Condition()
        self._waiting: list[dict[str, Any]] = []
        self._dropped = 0
        self._recorded = 0
        self._settled = 0  # of those recorded, how many are written or given up
        self._is_closed = False
        self._complaint = ""
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def record(self, action: AuditAction, **fields: Any) -> None:
        """Have a line written soon. Never waits, never raises; a line that cannot be written is counted, and told.

        Args:
            action: what happened.
            **fields: who, which, how: texts (cut at 1,024 characters), numbers, truth values, lists of texts.
        """
        entry = _build_entry(action, fields)
        with self._changed:
            self._recorded += 1
            if self._is_closed or len(self._waiting) >= QUEUE_LIMIT:
                self._dropped += 1
                self._settled += 1
            else:
                self._waiting.append(entry)
            self._changed.notify_all()

    async def flush(self) -> bool:
        """Wait until all that was recorded is on disk, at most 10 s; return whether it was settled by then."""
        return await asyncio.to_thread(self._wait_settled)

    async def close(self) -> None:
        """Write what is waiting, and end; what is recorded from now on is lost."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        await asyncio.to_thread(self._thread.join, FLUSH_LIMIT_S)

    def _wait_settled(self) -> bool:
        with self._changed:
            target = self._recorded
            return self._changed.wait_for(lambda: self._settled >= target, FLUSH_LIMIT_S)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_closed)
                if not self._waiting:
                    return
                batch, self._waiting = self._waiting, []
                self._appender.missing += self._dropped
                self._dropped = 0
            self._write(batch)
            with self._changed:
                self._settled += len(batch)
                self._changed.notify_all()

    def _write(self, batch: list[dict[str, Any]]) -> None:
        try:
            self._appender.append(batch)
        except OSError as exc:
            reason = exc.strerror or str(exc)
            if reason != self._complaint:  # once, not with every line
                log.error("audit-failed reason=%r missing=%d", reason, self._appender.missing)
            self._complaint = reason
        except Exception:
            log.exception("bug in the audit log")
        else:
            if self._complaint:
                log.warning("audit-again: the line that says how many are missing is written")
            self._complaint = ""


def append_audit(state: str, action: AuditAction, **fields: Any) -> None:
    """Write one line at once, from a process beside the server; it is on disk when this returns.

    Raises:
        OSError: it was not written.
    """
    _Appender(state).append([_build_entry(action, fields)])


def check_audit(state: str) -> None:
    """Check that a line could be appended, before what it would tell of is done.

    Raises:
        OSError: it could not.
    """
    _Appender(state).check()


def parse_line(line: bytes) -> dict[str, Any] | None:
    """What a line without its end says; ``None`` if it was torn, or written by somebody else."""
    if len(line) > LINE_LIMIT:
        return None
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    texts = ("previous", "time", "action")
    is_ours = isinstance(entry, dict) and all(isinstance(entry.get(name), str) for name in texts)
    return entry if is_ours else None


def _build_entry(action: AuditAction, fields: dict[str, Any]) -> dict[str, Any]:
    now = datetime.fromtimestamp(time.time(), UTC)
    stamp = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"time": stamp, "action": str(action), **{name: _cut(value) for name, value in fields.items()}}


def _cut(value: Any) -> Any:
    if isinstance(value, bool | int | float) or value is None:
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [_cut(item) for item in list(value)[:32]]
    text = str(value)
    return text if len(text) <= TEXT_LIMIT else f"{text[:TEXT_LIMIT]} (and {len(text) - TEXT_LIMIT} more)"


def _build_line(entry: dict[str, Any]) -> bytes:
    line = json.dumps(entry, separators=(",", ":")).encode()
    if len(line) > LINE_LIMIT:
        fixed = {name: entry[name] for name in ("previous", "time", "action", "torn", "missing") if name in entry}
        line = json.dumps({**fixed, "too_long": len(line)}, separators=(",", ":")).encode()
    return line


def lock_audit(descriptor: int, kind: int) -> None:
    """Take flock(2) on an open log.

    Raises:
        OSError: another process has held it for 10 s.
    """
    deadline = time.monotonic() + LOCK_LIMIT_S
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)


def _write_all(descriptor: int, data: bytes) -> tuple[int, tuple[int, str]]:
    """Write as much as can be; return how many bytes, and why not more."""
    view = memoryview(data)
    done = 0
    while done < len(data):
        try:
            done += os.write(descriptor, view[done:])
        except OSError as exc:
            return done, (exc.errno or 0, exc.strerror or str(exc))
    return done, (0, "")


def _read_end(descriptor: int, size: int) -> tuple[str, bool, str]:
    """Of the last line its SHA-256, and whether it has an end; if it is torn, the SHA-256 of the last one that is not.

    That is empty if the last line is whole.
    """
    is_ended = os.pread(descriptor, 1, size - 1) == b"\n"
    end = size - is_ended
    digest, is_whole, begin = _read_line_before(descriptor, end)
    last, whole = digest, digest
    while not is_whole and begin > 0:
        whole, is_whole, begin = _read_line_before(descriptor, begin - 1)
    if not is_whole:
        whole = NO_LINE
    return last, is_ended, "" if whole == last else whole


def _read_line_before(descriptor: int, end: int) -> tuple[str, bool, int]:
    """Of the line that ends there: its SHA-256, whether it is whole, and where it begins."""
    begin = end
    while begin > 0:
        start = max(0, begin - BLOCK)
        found = os.pread(descriptor, begin - start, start).rfind(b"\n")
        if found >= 0:
            begin = start + found + 1
            break
        begin = start
    digest = hashlib.sha256()
    for offset in range(begin, end, BLOCK):
        digest.update(os.pread(descriptor, min(BLOCK, end - offset), offset))
    line = os.pread(descriptor, min(end - begin, LINE_LIMIT + 1), begin)
    return digest.hexdigest(), parse_line(line) is not None, begin
