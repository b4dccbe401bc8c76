"""A job's output on disk: everything up to a limit, and the count of what was left out."""

import os
import sys

if sys.platform == "win32":
    raise ImportError("jobs run on POSIX systems only: give --service HOST:PORT of a server")

__all__ = ["Spool"]


class Spool:
    """One stream's file, written by the supervisor alone and read by whoever comes, from any offset.

    Attributes:
        size: bytes in the file.
        dropped: bytes left out, by the limit or for want of room on the disk.
        error: why writing failed, if it did; the rest is dropped, the job goes on.
    """

    def __init__(self, path: str, limit: int) -> None:
        """Args:
        path: of the file, which must not exist.
        limit: most bytes that are kept.
        """
        self.size = 0
        self.dropped = 0
        self.error = ""
        self._limit = limit
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def write(self, data: bytes) -> None:
        """Keep what fits, count the rest. Never raises: a job does not fail for its log."""
        room = 0 if self.error or self.dropped else self._limit - self.size
        kept = data[: max(room, 0)]
        try:
            while kept:
                written = os.write(self._descriptor, kept)
                self.size += written
                data, kept = data[written:], kept[written:]
        except OSError as exc:
            self.error = exc.strerror or str(exc)
        self.dropped += len(data)

    def close(self) -> None:
        """Have the bytes on disk before the outcome says that they are there."""
        try:
            os.fdatasync(self._descriptor)
        except OSError as exc:
            self.error = self.error or exc.strerror or str(exc)
        os.close(self._descriptor)
