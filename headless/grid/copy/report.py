"""A report of a copy: a JSON line for each file, on disk as the files end; and taking one up again."""

import hashlib
import json
import os
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import IO

from headless.grid.copy.values import Known, Transfer, TransferResult
from headless.grid.errnos import EINVAL
from headless.grid.messages import GridError

__all__ = ["Report", "Resume"]

Look = Callable[[str], Known | None]
SYNC_S = 0.5  # what a power cut may take from the report is looked at again, and found to be there
FIRST = '{"lfn": '
DONE = ("copied", "same", "skipped")


class Report:
    """A report that is being written."""

    def __init__(self, path: str, *, goes_on: bool) -> None:
        """Args:
        path: of the file.
        goes_on: whether the file's lines stay.

        Raises:
            GridError: it cannot be written.
        """
        self._path = path
        self._synced_at = time.monotonic()
        try:
            self._file: IO[str] = open(path, "a+" if goes_on else "w", encoding="utf-8")  # noqa: SIM115
            self._end_last_line()
        except OSError as exc:
            raise _fail(path, exc) from exc

    def add(self, result: TransferResult) -> None:
        """Write what became of a file.

        Raises:
            GridError: it cannot be written.
        """
        row = {**asdict(result), "mtime_ns": _read_time(result.path)}
        try:
            self._file.write(json.dumps(row) + "\n")
            self._file.flush()
            if time.monotonic() - self._synced_at > SYNC_S:
                self._sync()
        except OSError as exc:
            raise _fail(self._path, exc) from exc

    def close(self) -> None:
        """Have it on disk, and close it.

        Raises:
            GridError: it cannot be written.
        """
        try:
            with self._file:
                self._sync()
        except OSError as exc:
            raise _fail(self._path, exc) from exc

    def _sync(self) -> None:
        self._file.flush()
        if os.path.isfile(self._path):
            os.fsync(self._file.fileno())
        self._synced_at = time.monotonic()

    def _end_last_line(self) -> None:
        """A run that was killed may have left half a line."""
        if self._file.seekable() and self._file.seek(0, os.SEEK_END):
            with open(self._path, "rb") as file:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    self._file.write("\n")


@dataclass(frozen=True, slots=True)
class _Done:
    size: int
    md5: str
    mtime_ns: int


# A report may have a million rows: of each the memory holds a digest of its names, and what is to be compared.
_PACKED = struct.Struct("<q16sq")


class Resume:
    """What an earlier run has done."""

    def __init__(self, path: str) -> None:
        """Read a report; lines that are none, as a killed run leaves half a line, are passed over.

        Raises:
            GridError: it cannot be read; EINVAL: it is no report.
        """
        self._done: dict[bytes, bytes] = {}
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                if file.read(len(FIRST)) not in (FIRST, ""):
                    raise GridError(EINVAL, f"{path} is no report: give a file that cp --report has written")
                file.seek(0)
                for line in file:
                    self._read(line)
        except OSError as exc:
            raise GridError(exc.errno or 5, f"{path}: {exc.strerror}") from exc

    def leave_out(self, items: Iterable[Transfer | TransferResult], look: Look) -> Iterator[Transfer | TransferResult]:
        """The transfers, with those replaced by a result that are done, and whose files are as they were.

        Args:
            items: of the plan.
            look: tells what is at an LFN: a :class:`Known`, or ``None``.
        """
        for item in items:
            done = self._find(item) if isinstance(item, Transfer) else None
            if isinstance(item, TransferResult) or done is None or not _is_there(item, done, look):
                yield item
            else:
                yield TransferResult(
                    item.lfn, item.path, "skipped", size=done.size, md5=done.md5, is_upload=item.is_upload
                )

    def _find(self, item: Transfer) -> _Done | None:
        packed = self._done.get(_digest(item.lfn, item.path))
        if packed is None:
            return None
        size, md5, mtime_ns = _PACKED.unpack(packed)
        return _Done(size, md5.hex(), mtime_ns)

    def _read(self, line: str) -> None:
        try:
            row = json.loads(line)
            key = _digest(row["lfn"], row["path"])
            is_done = row["status"] in DONE and row["md5"]
            done = _PACKED.pack(row["size"], bytes.fromhex(row["md5"]), row["mtime_ns"])
        except (ValueError, KeyError, TypeError, RecursionError, struct.error):
            return
        if is_done:
            self._done[key] = done
        else:
            self._done.pop(key, None)


def _digest(lfn: str, path: str) -> bytes:
    """Of both names; a row that is taken for another one's does not matter, for the files are looked at again."""
    return hashlib.blake2b(f"{lfn}\0{path}".encode(errors="surrogatepass"), digest_size=16).digest()


def _is_there(item: Transfer, done: _Done, look: Look) -> bool:
    """Whether both sides are what they were when the copy was verified."""
    if item.is_new:
        return False
    if not item.is_within_grid and _read_time(item.path) != done.mtime_ns:
        return False
    if not item.is_upload:
        return item.source is None or (item.source.size, item.source.md5) == (done.size, done.md5)
    found = look(item.lfn)
    return found is not None and (found.size, found.md5) == (done.size, done.md5)


def _read_time(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except (OSError, ValueError):
        return 0


def _fail(path: str, error: OSError) -> GridError:
    return GridError(error.errno or 5, f"the report {path} cannot be written: {error.strerror}")
