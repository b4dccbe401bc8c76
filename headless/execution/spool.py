"""A job's output on disk: its head, its tail, and the count of what was cut between them.

The head is the file of the stream's name. What comes after it goes to segments, ``NAME.OFFSET``, which are only
appended to; the oldest goes when a new one is begun. Offsets count every byte that was ever written, also the cut ones.
"""

import bisect
import contextlib
import errno
import os
import sys
from collections import deque

if sys.platform == "win32":
    raise ImportError("jobs run on POSIX systems only: give --service HOST:PORT of a server")

from headless.execution.files import SPARE_ROOM, count_room

__all__ = ["Spool", "read_spool"]

SEGMENTS = 8  # of a full tail: with the oldest one an eighth of it goes
READ_TRIES = 1000  # of a reader whose segments are removed under its hands


class Spool:
    """One stream's files, written by the supervisor alone and read by whoever comes, from any offset.

    Attributes:
        size: bytes that were written, whatever became of them.
        error: why writing failed, if it ever did; the job goes on, and so does the spool once there is room.
    """

    def __init__(self, path: str, limit: int) -> None:
        """Args:
        path: of the head, which must not exist. No file is made before there is a byte for it.
        limit: most bytes that are kept on disk, half of them for the head.
        """
        self.size = 0
        self.error = ""
        self._path = path
        self._tail_limit = limit // 2
        self._head_limit = limit - self._tail_limit
        self._segment_limit = max(self._tail_limit // SEGMENTS, 1)
        self._kept: deque[list[int]] = deque()  # [offset, bytes] of each segment
        self._head = 0  # bytes in it
        self._room = 0  # bytes that the open file may still take
        self._descriptor = -1

    @property
    def dropped(self) -> int:
        """How many bytes were cut, or left out for want of room on the disk."""
        return self.size - self._head - sum(length for _, length in self._kept)

    def write(self, data: bytes | memoryview) -> None:
        """Keep what belongs to head or tail. Never raises: a job does not fail for its log."""
        view = memoryview(data)
        while view:
            try:
                done = self._write_some(view)
            except OSError as exc:
                self.error = self.error or exc.strerror or str(exc)
                self._leave_file()
                done = len(view)
            self.size += done
            view = view[done:]

    def close(self) -> None:
        """Have the bytes on disk before the outcome says that they are there."""
        self._leave_file()
        paths = [self._path] if self._head else []
        for path in [*paths, *(self._name(offset) for offset, length in self._kept if length)]:
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.fdatasync(descriptor)
                finally:
                    os.close(descriptor)
            except OSError as exc:
                self.error = self.error or exc.strerror or str(exc)

    def _write_some(self, view: memoryview) -> int:
        """Write the beginning of it, or pass over what would be cut at once; return how much that was."""
        if not self._room:
            self._leave_file()
            if (self.size or not self._head_limit) and len(view) > self._tail_limit:
                return len(view) - self._tail_limit
            self._open_file()
        if count_room(self._descriptor) < SPARE_ROOM + len(view):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = os.write(self._descriptor, view[: self._room])
        self._room -= done
        if self._kept:
            self._kept[-1][1] += done
        else:
            self._head += done
        return done

    def _open_file(self) -> None:
        """Begin the head, or the next segment; what is too old goes before, so that the limit holds at every moment."""
        path, room = self._path, self._head_limit
        if self.size:
            path = self._name(self.size)
            free = self._tail_limit - sum(length for _, length in self._kept)
            while self._kept and free <= 0:
                os.unlink(self._name(self._kept[0][0]))
                free += self._kept.popleft()[1]
            room = min(self._segment_limit, free)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._room = room
        if self.size:
            self._kept.append([self.size, 0])

    def _leave_file(self) -> None:
        """Close the open file; one that has stayed empty goes."""
        if self._descriptor < 0:
            return
        os.close(self._descriptor)
        self._descriptor, self._room = -1, 0
        if self._kept and not self._kept[-1][1]:
            with contextlib.suppress(OSError):
                os.unlink(self._name(self._kept.pop()[0]))
        elif not self._kept and not self._head:
            with contextlib.suppress(OSError):
                os.unlink(self._path)

    def _name(self, offset: int) -> str:
        return f"{self._path}.{offset}"


def read_spool(path: str, offset: int, size: int) -> tuple[int, bytes]:
    """Read from a spool that may be written to meanwhile: the offset that the bytes begin at, and the bytes.

    Args:
        path: of the head.
        offset: of the first byte that is wanted; negative counts from the end. If that was cut, the next that is kept
            is given.
        size: most bytes; there may be fewer, and none at the end.
    """
    seen = -1
    for _ in range(READ_TRIES):
        starts = _list_starts(path)
        try:
            if not starts:
                break
            if offset < 0:
                offset = max(0, starts[-1] + os.stat(_name_segment(path, starts[-1])).st_size + offset)
            index = bisect.bisect_right(starts, offset)
            if index and (data := _read_segment(path, starts[index - 1], offset, size)):
                return offset, data
        except FileNotFoundError:
            continue  # removed after it was listed
        if index == len(starts):
            break
        # One listing may miss a segment that was begun meanwhile. What two of them skip was cut.
        if starts[index] == seen:
            offset = seen
        seen = starts[index]
    return max(offset, 0), b""


def _list_starts(path: str) -> list[int]:
    """The offsets of all files of a spool, ascending."""
    folder, name = os.path.split(path)
    found = []
    try:
        for entry in os.listdir(folder or "."):
            if entry == name:
                found.append(0)
            elif entry.startswith(name + ".") and entry[len(name) + 1 :].isdigit():
                found.append(int(entry[len(name) + 1 :]))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(found)


def _name_segment(path: str, start: int) -> str:
    return f"{path}.{start}" if start else path


def _read_segment(path: str, start: int, offset: int, size: int) -> bytes:
    descriptor = os.open(_name_segment(path, start), os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(descriptor, size, offset - start)
    finally:
        os.close(descriptor)
