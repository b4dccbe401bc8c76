"""The bytes' way: XRootD's client, told what to do and asked how it ended."""

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from headless.errors import ParameterError
from headless.extras import tell_install
from headless.grid.copy.errnos import find_errno
from headless.grid.copy.values import CopyOptions
from headless.grid.messages import GridError

__all__ = [
    "Ended",
    "Progress",
    "copy_bytes",
    "explain",
    "import_client",
    "read_back",
    "read_checksum",
    "set_up_client",
]

# What alien.py sets, but for those that options set: a storage that is gone is given up in minutes, not in hours.
DEFAULTS = {
    "TimeoutResolution": 1,
    "ConnectionRetry": 3,
    "ConnectionWindow": 10,
    "RequestTimeout": 1200,
    "StreamTimeout": 60,
    "CPInitTimeout": 90,
    "DataServerTTL": 20,
    # They only wake those who wait; where there are more, they wait for each other, and for many small files in vain.
    "WorkerThreads": 1,
    # A checksum of each page on the way makes writing to an XRootD 5 several times slower, and tells nothing that
    # the checksum of the whole file does not.
    "CpUsePgWrtRd": 0,
}
PIECE = 4 << 20
NO_CHECKSUM = (3000, 3006, 3010, 3013)  # XRootD: it is not set up there, or the envelope is for writing only
_set_up = threading.Lock()


@dataclass(frozen=True)
class Ended:
    """How copying to one target ended: 0 or an errno, and XRootD's words."""

    code: int
    message: str


class Progress:
    """Is told of bytes, and asked whether to go on. Called in XRootD's threads."""

    def __init__(self, tell: Callable[[int], None], is_cancelled: Callable[[], bool]) -> None:
        self._tell = tell
        self._is_cancelled = is_cancelled
        self._done: dict[int, int] = {}
        self._is_given_up = False

    def give_up(self) -> None:
        """Nobody waits for the copying any more: it is told so when it asks next, and what it says is not passed on."""
        self._is_given_up = True

    def begin(self, number: int, total: int, source: Any, target: Any) -> None:
        """A target's bytes begin; after a failure, once more from the first one."""
        self._done[number] = 0

    def end(self, number: int, results: Any) -> None:
        """A target's bytes have ended."""

    def update(self, number: int, processed: int, total: int) -> None:
        """So many bytes are there."""
        if processed > self._done[number] and not self._is_given_up:
            self._done[number] = processed
            if len(self._done) == 1 or number == min(self._done):
                self._tell(processed)

    def should_cancel(self, number: int) -> bool:
        """Whether to stop."""
        return self._is_given_up or self._is_cancelled()


def set_up_client(options: CopyOptions) -> None:
    """Import XRootD's client and give it our defaults; variables ``XRD_...`` of the environment stay stronger.

    Raises:
        ParameterError: it is not installed.
    """
    client = import_client()
    with _set_up:
        for name, value in DEFAULTS.items():
            client.EnvPutInt(name, value)
        client.EnvPutInt("SubStreamsPerChannel", 1 + options.streams)


def copy_bytes(source: str, targets: Sequence[str], options: CopyOptions, progress: Progress) -> list[Ended]:
    """Copy one source to all targets at once.

    Args:
        source: a URL of a storage, or a path of this machine.
        targets: likewise; files of this machine are overwritten, those of storages must not be there.
        options: of the copying.
        progress: is told of it.

    Returns:
        How it ended, for each target.
    """
    process = import_client().CopyProcess()
    process.parallel(len(targets))
    for target in targets:
        is_local = target.startswith("/")
        process.add_job(
            source, target, sourcelimit=options.sources, force=is_local, posc=options.posc and not is_local,
            mkdir=not is_local, chunksize=options.chunk_size, parallelchunks=options.chunks,
            cptimeout=options.timeout_s, xrateThreshold=options.rate_threshold, retry=options.retries,
        )  # fmt: skip
    status = process.prepare()
    if not status.ok:
        return [explain(status)] * len(targets)
    status, results = process.run(progress)
    ended = [explain(result.get("status", status)) for result in results]
    # A job that was never begun has no result: then all of it has failed.
    return ended if len(ended) == len(targets) else [explain(status)] * len(targets)


def read_checksum(url: str, limit_s: int, kind: str = "md5") -> tuple[str, str]:
    """Ask a storage for a file's checksum.

    Args:
        url: with the envelope.
        limit_s: seconds until there must be an answer.
        kind: such as ``md5``, ``crc32c``, ``adler32``; some storages answer with the one that they have.

    Returns:
        Its kind and the checksum; both empty where the storage computes no such one for us.

    Raises:
        GridError: the file is not there, or the storage is gone.
    """
    client = import_client()
    from XRootD.client.flags import QueryCode

    server, _, rest = url.partition("://")[2].partition("/")
    path, _, opaque = rest.partition("?")
    system = client.FileSystem(f"{url.partition('://')[0]}://{server}")
    status, answer = system.query(QueryCode.CHECKSUM, f"/{path.lstrip('/')}?cks.type={kind}&{opaque}", timeout=limit_s)
    if not status.ok:
        ended = explain(status)
        if status.code == 400 and status.errno in NO_CHECKSUM:
            return "", ""
        raise GridError(ended.code, f"checksum at the storage: {ended.message}")
    words = bytes(answer or b"").rstrip(b"\x00").decode("ascii", "replace").split()
    return (words[0].lower(), words[1].lower()) if len(words) == 2 else ("", "")


def read_back(url: str, check: Callable[[], None]) -> str:
    """Read a file at a storage from end to end, for its md5.

    Args:
        url: with the envelope.
        check: is called again and again, and may raise.

    Raises:
        GridError: it cannot be read.
    """
    digest, offset = hashlib.md5(usedforsecurity=False), 0
    file = import_client().File()
    status, _ = file.open(url)
    if not status.ok:
        raise _fail_to_read(status)
    try:
        while True:
            check()
            status, data = file.read(offset, PIECE)
            if not status.ok:
                raise _fail_to_read(status)
            if not data:
                return digest.hexdigest()
            digest.update(data)
            offset += len(data)
    finally:
        file.close()


def _fail_to_read(status: Any) -> GridError:
    ended = explain(status)
    return GridError(ended.code, f"reading it back from the storage: {ended.message}")


def explain(status: Any) -> Ended:
    """What a status of XRootD's client means."""
    if status.ok:
        return Ended(0, "")
    words = " ".join(str(status.message).split())
    for noise in ("[ERROR]", "[FATAL]", "Server responded with an error:", "Local error:"):
        words = words.replace(noise, "").strip()
    return Ended(find_errno(status.code, status.errno), words or "XRootD gives no reason")


def import_client() -> Any:
    """XRootD's client, which has no types.

    Raises:
        ParameterError: it is not installed.
    """
    try:
        from XRootD import client
    except ImportError as exc:
        raise ParameterError(f"copying needs XRootD ({exc}): {tell_install('grid')}") from exc
    return client
