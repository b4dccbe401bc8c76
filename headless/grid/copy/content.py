"""What an upload writes: a file of this machine, or one of the grid."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from headless.grid.copy.access import Replica
from headless.grid.copy.hashing import STRONG, Hashing, Sums, hash_file, hash_sums, select_kinds
from headless.grid.copy.local import Source, name_descriptor, open_source
from headless.grid.copy.small import SMALL
from headless.grid.copy.values import Known
from headless.grid.messages import GridError

if sys.platform == "win32":
    raise ImportError("copying to and from the grid is for POSIX systems only")

__all__ = ["Content", "GridContent", "LocalContent", "open_content"]

LARGE = 64 << 20  # bytes; from here on reading the file twice would cost more than asking without its md5
QUICK = ("crc32c", "md5", "adler32")  # what a storage is asked for; it reads the whole file once more for an answer


class Content(Protocol):
    """What an upload writes.

    Attributes:
        address: where XRootD reads it.
        data: all of it, where it is small and was read already; else ``None``.
        size: in bytes.
        md5: empty until it is known.
        kinds: of checksums that it can tell, in the order in which a storage is best asked for them.
    """

    address: str
    data: bytes | None
    size: int
    md5: str
    kinds: tuple[str, ...]

    def begin(self) -> None:
        """Its bytes are going to be copied from its address."""

    def finish(self) -> str:
        """See that it is what it was, also after the copying; its md5, which is known from then on.

        Raises:
            OSError: it has changed.
            GridError: likewise.
        """

    def read_sum(self, kind: str) -> str:
        """Its checksum of one of its kinds, when it is finished.

        Raises:
            OSError: as :meth:`finish`.
        """


class LocalContent:
    """A file of this machine."""

    def __init__(self, source: Source) -> None:
        self.address = name_descriptor(source.descriptor)
        self.size = source.size
        is_large = source.size >= LARGE
        self.data = _read(source) if source.size <= SMALL else None
        self.md5 = (
            "" if is_large else hash_file(source.descriptor) if self.data is None else self._sum(self.data, "md5")
        )
        self.kinds = select_kinds(QUICK if is_large else STRONG)
        self._source = source
        self._hashing: Hashing | None = None

    def begin(self) -> None:
        """See :class:`Content`."""
        self.data = None  # what is copied is read from the file once more, and so it is hashed
        if not self.md5 and self._hashing is None:
            self._hashing = Hashing(self._source.descriptor, self.kinds[:1])
            self._hashing.allow(self.size)

    def finish(self) -> str:
        """See :class:`Content`."""
        if self.data is not None:
            self._source.check_unchanged()
            return self.md5
        self.begin()
        md5 = self._hashing.finish(self.size) if self._hashing else hash_file(self._source.descriptor)
        self._source.check_unchanged()
        if self.md5 and md5 != self.md5:
            raise OSError(errno.EAGAIN, "has changed while it was copied: copy it again", self._source.path)
        self.md5 = md5
        return md5

    def read_sum(self, kind: str) -> str:
        """See :class:`Content`."""
        known = {"md5": self.md5, **(self._hashing.sums.read() if self._hashing else {})}
        if kind in known:
            return known[kind]
        if self.data is not None:
            return self._sum(self.data, kind)
        sums = hash_sums(self._source.descriptor, (kind,))
        if sums["md5"] != self.md5:
            raise OSError(errno.EAGAIN, "has changed while it was copied: copy it again", self._source.path)
        return sums[kind]

    @staticmethod
    def _sum(data: bytes, kind: str) -> str:
        sums = Sums((kind,))
        sums.update(data)
        return sums.read()[kind]

    def close(self) -> None:
        """End what reads the file."""
        if self._hashing is not None:
            self._hashing.stop()


class GridContent:
    """A file of the grid; whether what arrives is what was registered, its target's storage must tell."""

    def __init__(self, lfn: str, replica: Replica, known: Known) -> None:
        if known.size < 0 or not known.md5:
            raise GridError(errno.EBADMSG, f"{lfn}: without a registered size and md5 no copy of it can be verified")
        self.address = replica.address
        self.data: bytes | None = None
        self.size, self.md5 = known.size, known.md5
        self.kinds: tuple[str, ...] = ("md5",)

    def begin(self) -> None:
        """See :class:`Content`."""

    def finish(self) -> str:
        """See :class:`Content`."""
        return self.md5

    def read_sum(self, kind: str) -> str:
        """See :class:`Content`."""
        return self.md5


def _read(source: Source) -> bytes:
    """All of a file.

    Raises:
        OSError: EAGAIN: it has another size by now.
    """
    data = b""
    while piece := os.pread(source.descriptor, source.size + 1 - len(data), len(data)):
        data += piece
    if len(data) != source.size:
        raise OSError(errno.EAGAIN, "has changed while it was copied: copy it again", source.path)
    return data


@contextmanager
def open_content(path: str) -> Iterator[LocalContent]:
    """A file of this machine as content.

    Raises:
        OSError: as :func:`open_source`.
    """
    with open_source(path) as source:
        content = LocalContent(source)
        try:
            yield content
        finally:
            content.close()
