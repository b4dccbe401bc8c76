"""Files of this machine as sources and targets: whole or not there, and never outside the folder that was named."""

import errno
import fcntl
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from headless.grid.copy.hashing import hash_file
from headless.grid.copy.values import Known

if sys.platform == "win32":
    raise ImportError("copying to and from the grid is for POSIX systems only")

__all__ = ["DESCRIPTORS", "Source", "Target", "is_temporary", "name_descriptor", "open_source", "open_target"]

SUFFIX = ".headless-part"
FORMAT = re.compile(rf"\..*\.[0-9a-f]{{12}}{re.escape(SUFFIX)}", re.DOTALL)
DESCRIPTORS = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
"""Where open files have names."""
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def name_descriptor(descriptor: int) -> str:
    """A path for an open file: XRootD takes no descriptors, and reads ``?`` and ``#`` in a path as a URL's."""
    return f"{DESCRIPTORS}/{descriptor}"


def is_temporary(name: str) -> bool:
    """Whether a file's name is one of those that downloads are given until they are whole; nobody else's is."""
    return FORMAT.fullmatch(name) is not None


@dataclass(frozen=True)
class Source:
    """A file that is read.

    Attributes:
        path: of the file.
        descriptor: it is open.
        first: what it was when it was opened.
    """

    path: str
    descriptor: int
    first: os.stat_result

    @property
    def size(self) -> int:
        """In bytes, when it was opened."""
        return self.first.st_size

    def check_unchanged(self) -> None:
        """See that the same file, with what it held, is still there.

        Raises:
            OSError: EAGAIN: it is not.
        """
        try:
            now = os.stat(self.path)
        except OSError as exc:
            raise OSError(errno.EAGAIN, f"has gone while it was copied ({exc.strerror})", self.path) from exc
        if _identify(now) != _identify(self.first):
            raise OSError(errno.EAGAIN, "has changed while it was copied: copy it again", self.path)


def _identify(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


@contextmanager
def open_source(path: str) -> Iterator[Source]:
    """Open a file to be read; links are followed, whatever is no file is refused.

    Raises:
        OSError: it cannot be opened; EINVAL, EISDIR: it is no file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise OSError(errno.EISDIR, "is a folder", path)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "is no file but a device, pipe or socket", path)
        if not status.st_size and os.pread(descriptor, 1, 0):
            raise OSError(errno.EINVAL, "has content and no size, as the kernel's own files: copy it first", path)
        yield Source(path, descriptor, status)
    finally:
        os.close(descriptor)


class Target:
    """A file that is to be written: its folder is open, so that nobody can put another in its place.

    Attributes:
        path: of the file, for people.
    """

    def __init__(self, path: str, folder: int, name: str) -> None:
        """Use :func:`open_target`."""
        self.path = path
        self._folder = folder
        self._name = name
        self._temporary = ""

    def look(self) -> os.stat_result | None:
        """What is there now; a link is not followed.

        Raises:
            OSError: EISDIR: a folder is.
        """
        try:
            status = os.lstat(self._name, dir_fd=self._folder)
        except FileNotFoundError:
            return None
        if stat.S_ISDIR(status.st_mode):
            raise OSError(errno.EISDIR, "is a folder", self.path)
        return status

    def holds(self, known: Known) -> bool:
        """Whether what is there is this content; without an md5 to compare it never is."""
        status = self.look()
        if status is None or not stat.S_ISREG(status.st_mode) or status.st_size != known.size or not known.md5:
            return False
        with suppress(OSError):
            descriptor = os.open(
                self._name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self._folder
            )
            try:
                return hash_file(descriptor) == known.md5
            finally:
                os.close(descriptor)
        return False

    @contextmanager
    def write_temporary(self, under_way: dict[int, Callable[[], None]]) -> Iterator[int]:
        """A new file in the same folder, open; it is gone at the end, whatever happens, unless it was put in place.

        Args:
            under_way: holds meanwhile, by descriptor, what removes the file; for whoever cannot wait for the end.

        It is locked: :func:`sweep` of another process leaves it alone for as long as this one lives.
        """
        descriptor = self._make_temporary()
        under_way[descriptor] = self._remove_temporary
        try:
            yield descriptor
        finally:
            del under_way[descriptor]
            self._remove_temporary()
            os.close(descriptor)

    def put_in_place(self, descriptor: int, note: Callable[[str, int], None], *, replace: bool) -> None:
        """Give the temporary file its name, with its content on disk.

        Args:
            descriptor: of the temporary file.
            note: is told of the new name and the open folder that it is in, which is not on disk yet.
            replace: what is there.

        Raises:
            FileExistsError: something is there, and ``replace`` is not set; it is as it was.
            OSError: it cannot be done; what is there is as it was.
        """
        os.fsync(descriptor)
        if replace:
            os.rename(self._temporary, self._name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        else:
            self._link()
        note(self.path, self._folder)

    def _link(self) -> None:
        """link(2), unlike rename(2), never replaces; file systems that have no links have no way without a race."""
        try:
            os.link(
                self._temporary, self._name, src_dir_fd=self._folder, dst_dir_fd=self._folder, follow_symlinks=False
            )
        except OSError as exc:
            if exc.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
                raise
            if self.look() is not None:
                raise FileExistsError(errno.EEXIST, "is there", self.path) from exc
            os.rename(self._temporary, self._name, src_dir_fd=self._folder, dst_dir_fd=self._folder)

    def _remove_temporary(self) -> None:
        with suppress(OSError):
            os.unlink(self._temporary, dir_fd=self._folder)

    def _make_temporary(self) -> int:
        while True:
            self._temporary = f".{self._name[:32]}.{os.urandom(6).hex()}{SUFFIX}"
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(self._temporary, flags, 0o666, dir_fd=self._folder)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)  # a sweep was quicker: it takes the file for an orphan
                continue
            except OSError:
                return descriptor  # a file system without locks: no sweep can lock it either
            if os.fstat(descriptor).st_nlink:
                return descriptor
            os.close(descriptor)  # the sweep has been here already


@contextmanager
def open_target(path: str, root: str) -> Iterator[Target]:
    """Open the folder of a file that is to be written; folders that are missing are made.

    Args:
        path: of the file, absolute.
        root: no link is followed below it; empty for the path's own folder.

    Raises:
        OSError: it cannot be; ELOOP: a link or no folder is on the way, or the path leads out of the root.
    """
    base = root or os.path.dirname(path)
    below = os.path.relpath(path, base).split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in below):
        raise OSError(errno.ELOOP, f"leads out of {base}", path)
    try:
        folder = os.open(base, FOLDER)
    except FileNotFoundError:
        os.makedirs(base, exist_ok=True)
        folder = os.open(base, FOLDER)
    try:
        for name in below[:-1]:
            folder = _enter(folder, name, path)
        yield Target(path, folder, below[-1])
    finally:
        os.close(folder)


def _enter(folder: int, name: str, path: str) -> int:
    with suppress(FileExistsError):
        os.mkdir(name, dir_fd=folder)
    try:
        inner = os.open(name, FOLDER | os.O_NOFOLLOW, dir_fd=folder)
    except OSError as exc:
        if exc.errno in (errno.ELOOP, errno.ENOTDIR):
            raise OSError(errno.ELOOP, f"{name!r} on the way is no folder but a link or a file", path) from exc
        raise
    os.close(folder)
    return inner
