"""Inputs that launchers hand over before they start a job: on disk before the job is accepted.

An input outlives the session that brought it: a launcher that lost its connection goes on where it was, also when the
server was killed in between.
"""

import asyncio
import os
import sys
import time
from collections.abc import Container

from headless.errors import ParameterError
from headless.execution.files import sync_folder

if sys.platform == "win32":
    raise ImportError("the server runs on POSIX systems only: give --service HOST:PORT of one")

__all__ = ["Uploads"]

KEEP_S = 3600.0  # for which an input waits for the start of its job


class Uploads:
    """The folder of inputs: a folder for each user, a file in it for each job, named by its id."""

    def __init__(self, folder: str, max_size: int) -> None:
        """Args:
        folder: absolute; it must exist.
        max_size: most bytes of one input.
        """
        self._folder = folder
        self._max_size = max_size

    async def write(self, user: str, job_id: str, offset: int, data: bytes) -> int:
        """Write a piece; return how many bytes are there now.

        Raises:
            ParameterError: too large, or a gap before it.
            OSError: the disk is full.
        """
        if offset + len(data) > self._max_size:
            raise ParameterError(
                f"the input is larger than the {self._max_size} bytes that this server takes (max_stdin)"
            )
        return await asyncio.to_thread(_write_piece, self.locate(user, job_id), offset, data)

    async def sync(self, user: str, job_id: str) -> None:
        """Make an input durable.

        Raises:
            ParameterError: nothing was uploaded for this job by this user.
            OSError: the disk is full.
        """
        await asyncio.to_thread(_sync, self.locate(user, job_id), job_id)

    def locate(self, user: str, job_id: str) -> str:
        """Where an input is."""
        # A name alone, for a user may be called ".." or like a job.
        return os.path.join(self._folder, f"@{user}", job_id)

    def remove(self, user: str, job_id: str) -> None:
        """Remove a job's input, if it has one."""
        try:
            os.unlink(self.locate(user, job_id))
        except FileNotFoundError:
            return

    def remove_old(self, live: Container[str]) -> None:
        """Remove the inputs of jobs that have not been started in time, or have ended."""
        horizon = time.time() - KEEP_S
        for folder in os.scandir(self._folder):
            if not folder.is_dir(follow_symlinks=False):
                continue
            for entry in os.scandir(folder):
                if entry.name not in live and entry.stat(follow_symlinks=False).st_mtime < horizon:
                    os.unlink(entry)


def _sync(path: str, job_id: str) -> None:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError as exc:
        raise ParameterError(f"no input was uploaded for job {job_id}") from exc
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    folder = os.path.dirname(path)
    sync_folder(folder)
    sync_folder(os.path.dirname(folder))


def _write_piece(path: str, offset: int, data: bytes) -> int:
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        os.makedirs(folder, 0o711, exist_ok=True)  # jobs of other users open it by their own right, or not at all
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
