"""Inputs that launchers hand over before they start a job: on disk before the job is accepted."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Container

from headless.errors import ParameterError
from headless.execution.files import sync_folder

if sys.platform == "win32":
    raise ImportError("the server runs on POSIX systems only: give --service HOST:PORT of one")

__all__ = ["Uploads"]


class Uploads:
    """The folder of inputs, a file each, named by the job's id; the first piece says whose it is."""

    def __init__(self, folder: str, max_size: int) -> None:
        """Args:
        folder: absolute; it must exist.
        max_size: most bytes of one input.
        """
        self._folder = folder
        self._max_size = max_size
        self._owners: dict[str, str] = {}

    async def write(self, user: str, job_id: str, offset: int, data: bytes) -> int:
        """Write a piece; return how many bytes are there now.

        Raises:
            ParameterError: too large, a gap before it, or another user's.
            OSError: the disk is full.
        """
        if self._owners.setdefault(job_id, user) != user:
            raise ParameterError(f"job {job_id} is another user's")
        if offset + len(data) > self._max_size:
            raise ParameterError(
                f"the input is larger than the {self._max_size} bytes that this server takes (max_stdin)"
            )
        return await asyncio.to_thread(_write_piece, self._path(job_id), offset, data)

    async def take(self, user: str, job_id: str) -> str:
        """Make an input durable and return its path.

        Raises:
            ParameterError: nothing was uploaded for this job by this user.
        """
        if self._owners.get(job_id) != user:
            raise ParameterError(f"no input was uploaded for job {job_id}")
        del self._owners[job_id]
        await asyncio.to_thread(self._sync, self._path(job_id))
        return self._path(job_id)

    def remove(self, job_id: str) -> None:
        """Remove a job's input, if it has one."""
        self._owners.pop(job_id, None)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path(job_id))

    def remove_all_but(self, job_ids: Container[str]) -> None:
        """Remove what an earlier server has left: inputs of jobs that were never accepted, or that have ended."""
        for name in os.listdir(self._folder):
            if name not in job_ids:
                self.remove(name)

    def discard(self, user: str, job_ids: set[str]) -> None:
        """Remove inputs of a user whose session has ended before their job was started."""
        for job_id in job_ids:
            if self._owners.get(job_id) == user:
                del self._owners[job_id]
                self.remove(job_id)

    def _sync(self, path: str) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_folder(self._folder)

    def _path(self, job_id: str) -> str:
        return os.path.join(self._folder, job_id)


def _write_piece(path: str, offset: int, data: bytes) -> int:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        if offset > size:
            raise ParameterError(f"a piece of the input is missing before byte {offset}")
        view = memoryview(data)
        while view:
            written = os.pwrite(descriptor, view, offset)
            view, offset = view[written:], offset + written
        return max(size, offset)
    finally:
        os.close(descriptor)
