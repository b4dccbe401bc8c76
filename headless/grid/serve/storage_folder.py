"""A storage's folder: the files, and beside them what its XRootD needs to serve them."""

import os
import pwd
import shutil
import signal
import socket
import stat
import sys
import time
from contextlib import suppress
from dataclasses import dataclass

from headless.errors import ParameterError
from headless.execution.files import write_atomically
from headless.execution.lock import lock_folder

if sys.platform == "win32":
    raise ImportError("a grid of one's own runs on POSIX systems only")

__all__ = ["DATA", "KEY", "StorageFolder", "find_program", "find_user", "is_free"]

MAX_FOLDER = 80  # bytes: XRootD keeps unix sockets below it, whose names have 108 at most
DATA, ADMIN, KEY = "data", "admin", "macaroons.key"
USERS = ("xrootd", "nobody")  # who runs it where the grid runs as root, which xrootd refuses to
# Were ofs.persist not off, a client that asks to persist on a successful close, as alien.py does, and may not write
# over a file that is there, would have it removed. What is left of an upload that broke off, the sweeper removes.
CONFIGURATION = """\
# Written by 'headless grid serve' at each start.
xrd.port {port}
all.sitename {name}
all.export /
oss.localroot {folder}/data
all.adminpath {folder}/admin
all.pidpath {folder}/admin
xrootd.chksum max 64 md5 crc32c adler32
ofs.persist off
ofs.authorize
ofs.authlib libXrdMacaroons.so
macaroons.secretkey {folder}/macaroons.key
macaroons.onmissing deny
macaroons.maxduration 31622400
"""


@dataclass(frozen=True)
class Account:
    """Who a storage runs as."""

    uid: int
    gid: int
    name: str


def find_program() -> str:
    """The path of the installed xrootd.

    Raises:
        ParameterError: it, or its plug-in for envelopes, is not there.
    """
    program = shutil.which("xrootd", path=os.defpath + ":/usr/local/bin:/usr/sbin:/opt/xrootd/bin")
    if program is None:
        raise ParameterError(
            "--with-storage needs the program 'xrootd': apt-get install xrootd-server xrootd-server-plugins"
        )
    return program


def find_user() -> Account:
    """Who storages run as: this process's own user; for root ``xrootd``, or else ``nobody``.

    Raises:
        ParameterError: there is neither.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), str(os.geteuid()))
    for name in USERS:
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid, name)
    raise ParameterError("storages do not run as root: make a user 'xrootd'")


def is_free(port: int) -> bool:
    """Whether a storage could listen at a port."""
    with socket.socket(socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


def _put(path: str, data: bytes, mode: int) -> None:
    """Write a file, unless it is there as it should be: a disk that is full of files can be served all the same."""
    with suppress(OSError), open(path, "rb") as file:
        if file.read() == data and stat.S_IMODE(os.fstat(file.fileno()).st_mode) == mode:
            return
    write_atomically(path, data, mode=mode, is_exact=True)


class StorageFolder:
    """The folder of one storage: ``data`` with the files, configuration, key, log. Locked while it lives."""

    def __init__(self, path: str, account: Account) -> None:
        """Make what is missing, and take the folder's lock.

        Args:
            path: absolute.
            account: who the storage runs as.

        Raises:
            ParameterError: the folder is of no use, or another server's.
        """
        self.path = path
        self._account = account
        if len(os.fsencode(path)) > MAX_FOLDER or len(path.split()) != 1:
            raise ParameterError(f"storage folder {path}: give one of at most {MAX_FOLDER} bytes, without blanks")
        try:
            os.makedirs(path, 0o755, exist_ok=True)
            for folder, mode in ((path, 0o755), (self.data, 0o755), (os.path.join(path, ADMIN), 0o700)):
                self._make_folder(folder, mode)
            self._check_way()
            lock = lock_folder(path)
        except OSError as exc:
            raise ParameterError(f"storage folder {path} is of no use: {exc}") from exc
        if lock is None:
            raise ParameterError(f"storage folder {path} is in use by another server")
        self._lock = lock

    @property
    def data(self) -> str:
        """Where the files are."""
        return os.path.join(self.path, DATA)

    @property
    def configuration(self) -> str:
        """The path of XRootD's configuration; no other process has it in its command line."""
        return os.path.join(self.path, "xrootd.cf")

    @property
    def log(self) -> str:
        """The path of XRootD's log, which it turns over daily."""
        return os.path.join(self.path, "admin", "xrootd.log")

    def prepare(self, name: str, port: int, key: str) -> None:
        """Write what the next start needs.

        Args:
            name: of the storage; envelopes are for this name.
            port: to listen at.
            key: the storage's own, as XRootD wants it.
        """
        text = CONFIGURATION.format(name=name, port=port, folder=self.path)
        _put(self.configuration, text.encode(), 0o644)
        secret = os.path.join(self.path, KEY)
        _put(secret, key.encode(), 0o400)
        self._give(secret)

    def note_process(self, pid: int) -> None:
        """Remember who serves this folder, for :meth:`end_stale` of a later server. In place: the disk may be full."""
        descriptor = os.open(os.path.join(self.path, "pid"), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.truncate(descriptor, os.write(descriptor, f"{pid}\n".encode()))
        finally:
            os.close(descriptor)

    def end_stale(self) -> int | None:
        """End an XRootD that an earlier server has left behind; its process id, if there was one."""
        try:
            with open(os.path.join(self.path, "pid"), encoding="ascii") as file:
                pid = int(file.read())
        except (OSError, ValueError):
            return None
        if not self._is_ours(pid):
            return None
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        limit = time.monotonic() + 5
        while self._is_ours(pid) and time.monotonic() < limit:
            time.sleep(0.02)
        return pid

    def tell_failure(self) -> str:
        """The last lines of the log that tell of something."""
        try:
            with open(self.log, encoding="utf-8", errors="replace") as file:
                lines = [line.strip() for line in file.readlines()[-40:]]
        except OSError:
            return f"see {self.log}"
        telling = [line for line in lines if line and "=====" not in line and "------" not in line]
        return "; ".join(telling[-2:]) or f"see {self.log}"

    def close(self) -> None:
        """Give the lock back."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _is_ours(self, pid: int) -> bool:
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                return os.fsencode(self.configuration) in file.read().split(b"\0")
        except OSError:
            return False

    def _make_folder(self, path: str, mode: int) -> None:
        is_new = not os.path.isdir(path)
        os.makedirs(path, mode, exist_ok=True)
        if is_new or not os.listdir(path):
            self._give(path)

    def _give(self, path: str) -> None:
        if os.geteuid() == 0:
            os.chown(path, self._account.uid, self._account.gid)

    def _check_way(self) -> None:
        """Where another user serves the files, that user must come through all folders above."""
        if os.geteuid() != 0:
            return
        folder = self.path
        while folder != "/":
            folder = os.path.dirname(folder)
            if not os.stat(folder).st_mode & 0o001:
                raise ParameterError(
                    f"storage folder {self.path}: user {self._account.name}, who serves it, may not pass through"
                    f" {folder}: choose another, or chmod o+x {folder}"
                )
