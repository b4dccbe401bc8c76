"""The server's durable record of what it accepted: one file a job, on disk before ``accepted`` is answered."""

import contextlib
import json
import logging
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from headless.errors import ProtocolError
from headless.execution.files import write_atomically
from headless.job import JobKind, JobSpec
from headless.protocol.codec import decode_bytes, encode_bytes

if sys.platform == "win32":
    raise ImportError("the server runs on POSIX systems only: give --service HOST:PORT of one")

__all__ = ["Journal", "Record"]

SUFFIX = ".json"
TOLD = ".told"  # beside the record: the log has the job's end, the next server does not tell it again

log = logging.getLogger("headless.journal")


@dataclass(frozen=True)
class Record:
    """A job as it was accepted.

    Attributes:
        spec: what was asked for.
        user: who asked.
        run_as: the OS user it runs as; empty for the server's own.
        accepted_at: seconds since 1970, for people; it decides nothing but how long the record is kept.
    """

    spec: JobSpec
    user: str
    run_as: str
    accepted_at: float


class Journal:
    """The folder of records."""

    def __init__(self, folder: str) -> None:
        """Args:
        folder: absolute; it must exist.
        """
        self._folder = folder

    def accept(self, record: Record) -> None:
        """Have a record on disk. Once this returns the job is accepted.

        Raises:
            OSError: it is not: the disk is full, say.
        """
        spec = record.spec
        body = {
            "user": record.user,
            "run_as": record.run_as,
            "accepted_at": record.accepted_at,
            "spec": {**vars(spec), "source": encode_bytes(spec.source), "arguments": list(spec.arguments)},
        }
        write_atomically(self._path(spec.job_id), json.dumps(body).encode())

    def load(self) -> Iterator[Record]:
        """All records, oldest first. A file that is none is passed over: it was never accepted."""
        for name in sorted(os.listdir(self._folder)):
            if not name.endswith(SUFFIX):
                continue
            path = os.path.join(self._folder, name)
            try:
                with open(path, "rb") as file:
                    record = _parse_record(json.load(file))
            except (OSError, ValueError, KeyError, TypeError, ProtocolError) as exc:
                log.error("record-damaged file=%s reason=%r", path, exc)
                continue
            yield record

    def mark_told(self, job_id: str) -> None:
        """Remember that the job's end has been logged."""
        os.close(os.open(self._path(job_id) + TOLD, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def is_told(self, job_id: str) -> bool:
        """Whether the job's end has been logged."""
        return os.path.exists(self._path(job_id) + TOLD)

    def remove(self, job_id: str) -> None:
        """Forget a job; nothing happens if it is forgotten already."""
        for path in (self._path(job_id) + TOLD, self._path(job_id)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def _path(self, job_id: str) -> str:
        return os.path.join(self._folder, job_id + SUFFIX)


def _parse_record(body: dict[str, Any]) -> Record:
    spec = body["spec"]
    spec["kind"] = JobKind(spec["kind"])
    spec["source"] = decode_bytes(spec["source"])
    return Record(JobSpec(**spec), body["user"], body["run_as"], body["accepted_at"])
