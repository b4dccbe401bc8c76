"""The reporter's spool: reports that could not be sent yet, a file each, the oldest first.

A file is there whole or not at all (written beside its place, synced, renamed), and goes when a collector has answered
that it has the report. One process sends at a time, by a lock on the folder's own file, so nothing is sent twice;
putting something in needs no lock.
"""

import contextlib
import errno
import glob
import os
import stat
import sys
import time
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

from headless.config import read_environment
from headless.errors import ParameterError
from headless.inventory.sums import hash_hex
from headless.inventory.writing import write_all

if sys.platform == "win32":
    raise ImportError("reports are made on POSIX systems only")

import fcntl

from headless.inventory.marks import forget, read_later, read_mark, write_later, write_mark

__all__ = ["NOBODYS_SPOOL", "Outbox", "find_others", "name_owner", "open_outbox"]

NOBODYS_SPOOL = "/var/spool/headless-inventory-nobody"
"""Of cron's line for nobody, who has no home: root has made it, as no other user can make one there."""
OLD_NOBODYS_SPOOL = "/var/tmp/headless-inventory-nobody"  # noqa: S108  # of lines of before; looked into if it is ours

SUFFIX = ".report"
REFUSED, REFUSED_LIMIT = ".refused", 100
REASON, LATER = ".reason", ".later"
LOCK = ".lock"
RETRY_AT = ".retry-at"
URL = ".url"
FILE_LIMIT = 64 * 1024 * 1024  # bytes of one report: what is larger was put there by mistake
LATEST_S = 86400  # a time to wait for that lies further ahead than a day is a clock's mistake


class Outbox:
    """A folder of reports to be sent."""

    def __init__(
        self, folder: str, url: str = "", *, count_limit: int = 10_000, byte_limit: int = 256 * 1024 * 1024
    ) -> None:
        """Open the folder; make it if it is not there.

        Args:
            folder: of this user alone, unless its administrator has made it otherwise.
            url: where alone its reports go; empty if that is said each time.
            count_limit, byte_limit: what is kept at most: the oldest goes first.

        Raises:
            ParameterError: it cannot be made, or belongs to somebody else.
        """
        self.folder = folder
        self.url = url
        self._count_limit = count_limit
        self._byte_limit = byte_limit
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            status = os.lstat(folder)
        except OSError as exc:
            raise ParameterError(f"the spool {folder} cannot be made: {exc.strerror}: see --spool") from exc
        if not stat.S_ISDIR(status.st_mode) or status.st_uid not in (0, os.geteuid()):
            raise ParameterError(_explain_owner(folder, folder))
        if url and read_mark(self._path(URL)) != (told := f"{_strip_secrets(url)}\n"):
            write_mark(self._path(URL), told)

    def put(self, data: bytes) -> tuple[str, list[str]]:
        """Keep a report; when this returns it is on the disk.

        Returns:
            Its name, and the names of the oldest that had to go for it.

        Raises:
            OSError: it could not be written; then nothing of it is there.
        """
        name = f"{time.time_ns():020d}-{hash_hex(data)[:16]}{SUFFIX}"
        path = os.path.join(self.folder, name)
        temporary = f"{path}.{os.getpid()}.new"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            try:
                write_all(descriptor, data)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.rename(temporary, path)
        except BaseException:  # also a signal's
            os.unlink(temporary)
            raise
        self._sync()
        return name, self._drop_oldest(name)

    def names(self) -> list[str]:
        """What is there, the oldest first."""
        return sorted(name for name in os.listdir(self.folder) if name.endswith(SUFFIX) and not name.startswith("."))

    def read(self, name: str) -> bytes | None:
        """Read a report; ``None`` if it has gone meanwhile.

        Links are not followed: whoever may put files here must not have others read for him.

        Raises:
            OSError: it cannot be read.
            ValueError: it is no plain file of a sensible size.
        """
        try:
            descriptor = os.open(self._path(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        except OSError as exc:
            if exc.errno == errno.ELOOP:
                raise ValueError("it is no report") from None
            raise
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or not 0 < status.st_size <= FILE_LIMIT:
            os.close(descriptor)
            raise ValueError("it is no report")
        with open(descriptor, "rb") as file:
            return file.read()

    def find_due(self) -> list[str]:
        """What may be sent now, the oldest first; what has failed before comes after all that has not."""
        failures = {name: read_later(self._path(name + LATER)) for name in self.names()}
        return sorted((name for name in failures if not failures[name][1]), key=lambda name: failures[name][0])

    def put_off(self, name: str) -> float:
        """A report that a collector cannot take: others pass it. Return for how many seconds it is not sent again."""
        return write_later(self._path(name + LATER))

    def take_over(self, other: "Outbox") -> None:
        """Have what waits elsewhere wait here; what cannot be read stays there."""
        with other.turn(0) as is_ours:
            for name in other.names() if is_ours else ():
                with contextlib.suppress(OSError, ValueError):
                    if data := other.read(name):
                        self.put(data)
                        other.remove(name)

    def set_aside(self, name: str, reason: str) -> str:
        """Keep a report that a collector does not take under a name that is not sent; return its path.

        It may be the wrong collector. So many are kept, the newest, each with a file beside it that says why.
        """
        refused = self._path(name + REFUSED)
        os.rename(self._path(name), refused)
        write_mark(refused + REASON, reason + "\n")
        forget(self._path(name + LATER))
        for old in sorted(other for other in os.listdir(self.folder) if other.endswith(REFUSED))[:-REFUSED_LIMIT]:
            self.remove(old)
        return refused

    def remove(self, name: str) -> None:
        """It has been sent, or is one too many."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path(name))
        forget(self._path(name + LATER))
        forget(self._path(name + REASON))

    @contextlib.contextmanager
    def turn(self, limit_s: float) -> Iterator[bool]:
        """Wait for the turn to send; whether it has come within the time.

        Raises:
            ParameterError: the lock's file is another user's.
        """
        path = os.path.join(self.folder, LOCK)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except PermissionError as exc:
            raise ParameterError(_explain_owner(self.folder, path if os.path.lexists(path) else self.folder)) from exc
        except OSError as exc:
            raise ParameterError(f"{path} cannot be opened: {exc.strerror}") from exc
        try:
            yield _lock(descriptor, limit_s)
        finally:
            os.close(descriptor)

    @property
    def wait_s(self) -> float:
        """How long the collector still wants not to be asked, in seconds; 0 if it does not say."""
        try:
            left = float(read_mark(self._path(RETRY_AT))) - time.time()
        except ValueError:
            return 0.0
        return left if 0 < left <= LATEST_S else 0.0

    def ask_again_after(self, seconds: float | None) -> None:
        """Keep what the collector has said of when to ask again; ``None``: nothing."""
        if seconds is None:
            forget(self._path(RETRY_AT))
        else:
            write_mark(self._path(RETRY_AT), f"{time.time() + seconds:.0f}\n")

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def _drop_oldest(self, newest: str) -> list[str]:
        names = self.names()
        sizes = {name: self._size(name) for name in names}
        dropped = []
        for name in names:
            if len(sizes) <= self._count_limit and sum(sizes.values()) <= self._byte_limit:
                break
            if name != newest:
                self.remove(name)
                del sizes[name]
                dropped.append(name)
        return dropped

    def _size(self, name: str) -> int:
        try:
            return os.lstat(self._path(name)).st_size
        except OSError:
            return 0

    def _sync(self) -> None:
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def open_outbox(folder: str, url: str = "") -> Outbox:
    """Open the folder that is named; if none is, that of this user for what goes to this URL.

    Raises:
        ParameterError: it cannot be made, or belongs to somebody else.
    """
    if folder == NOBODYS_SPOOL:
        return _open_nobodys(folder, OLD_NOBODYS_SPOOL)
    if folder:
        return Outbox(os.path.abspath(folder))
    return Outbox(os.path.join(_find_folder(), hash_hex(url.encode())[:16]), url)


def _open_nobodys(folder: str, old_folder: str) -> Outbox:
    """Open the folder, with what waits in the one of before; that one itself while there is no other."""
    try:
        outbox = Outbox(folder)
    except ParameterError as exc:
        if _is_ours(old_folder):
            return Outbox(old_folder)
        raise ParameterError(f"{exc}; root makes it: install -d -m 0700 -o nobody {folder}") from exc
    if _is_ours(old_folder):
        outbox.take_over(Outbox(old_folder))
    return outbox


def _is_ours(folder: str) -> bool:
    try:
        status = os.lstat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022


def find_others(outbox: Outbox) -> Iterator[str]:
    """A line for each other URL that this user's reports were kept for, and have not got to: perhaps mistyped."""
    for path in sorted(glob.glob(os.path.join(glob.escape(_find_folder()), "*", ""))):
        folder = path.rstrip("/")
        url = read_mark(os.path.join(folder, URL)).strip()
        if folder == outbox.folder or not url:
            continue
        with contextlib.suppress(OSError):
            times = [os.lstat(name).st_mtime for name in glob.glob(os.path.join(glob.escape(folder), "*" + SUFFIX))]
            if times:
                advice = f"send them with 'headless inventory relay --spool {folder} --to URL', or remove them"
                since = time.strftime("%Y-%m-%d", time.localtime(min(times)))
                yield f"{len(times)} kept for {url} since {since} were not sent: {advice}"


def _find_folder() -> str:
    return os.path.join(read_environment().state_folder, "inventory")


def _strip_secrets(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def name_owner(path: str) -> str:
    """Whose a file is: the user's name, or his number where he has none; empty if it cannot be told."""
    try:
        return _name_user(os.lstat(path).st_uid)
    except OSError:
        return ""


def _name_user(number: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def _explain_owner(folder: str, path: str) -> str:
    owner = name_owner(path) or "another user"
    what = (
        f"the spool {folder} belongs to {owner}"
        if path == folder
        else f"{owner} sends from the spool {folder} ({path})"
    )
    other = ", or have it removed if it should not be there" if path == folder else ""
    me = _name_user(os.geteuid())
    return f"{what}, and this runs as {me}: run this as {owner}, or name another folder with --spool{other}"


def _lock(descriptor: int, limit_s: float) -> bool:
    deadline = time.monotonic() + limit_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.05)
