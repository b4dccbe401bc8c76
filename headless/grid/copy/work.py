"""What the copying of each file works with."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import BoundedSemaphore, Event, Lock

from headless.grid.copy.folder_sync import FolderSync
from headless.grid.copy.hashing import Hashing
from headless.grid.copy.pool import SessionPool
from headless.grid.copy.remote_sweep import RemoteSweeper
from headless.grid.copy.storage import Progress
from headless.grid.copy.sweep import Sweeper
from headless.grid.copy.values import CopyOptions
from headless.grid.errnos import ECANCELED
from headless.grid.messages import GridError

__all__ = ["Gauge", "Work"]

CHECKSUMS = 2  # at a time and storage; XRootD makes whoever comes on top of its own limit wait for half a minute


@dataclass
class Gauge:
    """How far all of it is; for a progress bar, read without a lock.

    Attributes:
        planned_files: that are known of.
        planned_bytes: of them, where sizes are known.
        is_planned: whether there will be no more.
        moved: bytes that were copied.
    """

    planned_files: int = 0
    planned_bytes: int = 0
    is_planned: bool = False
    moved: int = 0


@dataclass
class Work:
    """What all files of a run share.

    Attributes:
        slots: for those that move bytes.
        cancelled: is set when the run is to end.
        under_way: what removes each temporary file of this machine.
        folders: that files were put into.
    """

    pool: SessionPool
    options: CopyOptions
    slots: BoundedSemaphore
    cancelled: Event = field(default_factory=Event)
    gauge: Gauge = field(default_factory=Gauge)
    sweeper: Sweeper = field(default_factory=Sweeper)
    remote_sweeper: RemoteSweeper = field(default_factory=RemoteSweeper)
    under_way: dict[int, Callable[[], None]] = field(default_factory=dict)
    folders: FolderSync = field(default_factory=FolderSync)
    _checksums: dict[str, BoundedSemaphore] = field(default_factory=dict)
    _checksums_lock: Lock = field(default_factory=Lock)
    _untold: set[tuple[str, str]] = field(default_factory=set)

    def check(self) -> None:
        """See that the run has not been cancelled.

        Raises:
            GridError: ECANCELED: it has.
        """
        if self.cancelled.is_set():
            raise GridError(ECANCELED, "cancelled")

    @contextmanager
    def checksum_slot(self, url: str) -> Iterator[None]:
        """A turn at asking the storage of a URL for a checksum."""
        with self._checksums_lock:
            slot = self._checksums.setdefault(_find_host(url), BoundedSemaphore(CHECKSUMS))
        with slot:
            self.check()
            yield

    def is_told(self, url: str, kind: str) -> bool:
        """Whether the storage of a URL may tell checksums of a kind."""
        return (_find_host(url), kind) not in self._untold

    def note_untold(self, url: str, kind: str) -> None:
        """The storage of a URL tells none of a kind; nobody asks again."""
        self._untold.add((_find_host(url), kind))

    def watch(self, hashing: Hashing | None = None) -> Progress:
        """For XRootD: counts bytes, and stops when the run is cancelled.

        Args:
            hashing: is allowed what has arrived.
        """
        last = 0

        def count(done: int) -> None:
            nonlocal last
            self.gauge.moved += done - last
            last = done
            if hashing is not None:
                # XRootD tells of chunks before it has written them, and writes some at a time.
                hashing.allow(done - (self.options.chunks + 2) * self.options.chunk_size)

        return Progress(count, self.cancelled.is_set)


def _find_host(url: str) -> str:
    return url.partition("://")[2].partition("/")[0]
