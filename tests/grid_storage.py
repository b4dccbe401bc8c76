"""A real xrootd of a test's own, without authorization: whoever comes may read and write."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from free_port import find_port
from support import TIME_SCALE, wait_for


class Storage:
    """An xrootd on a free port, with a folder as its root.

    Attributes:
        files: the folder.
        port: where it listens.
        checksum: how it computes one, in the words of its configuration; empty for not at all.
        more: lines of its configuration.
    """

    def __init__(self, folder: Path, name: str = "one", *, read_only: bool = False, files: Path | None = None) -> None:
        self.name = name
        self.folder = folder / f"storage-{name}"
        self.folder.mkdir(parents=True)
        self.files = files or self.folder / "files"
        self.files.mkdir(exist_ok=True)
        self.port = 0
        self.read_only = read_only
        self.checksum = "md5"
        self.more = ""
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def service(self) -> str:
        """``127.0.0.1:PORT``."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> "Storage":
        """Start it, after the first time on the same port, and wait until it listens."""
        self.port = self.port or find_port()
        for place in (self.folder, self.files):
            shutil.chown(place, "xrootd")
        configuration = self.folder / "xrootd.cfg"
        export = "all.export / r/o" if self.read_only else "all.export /"
        checksum = f"xrootd.chksum max 2 {self.checksum}\n" if self.checksum else ""
        configuration.write_text(
            f"xrd.port {self.port}\n{export}\noss.localroot {self.files}\nall.adminpath {self.folder}\n"
            f"all.pidpath {self.folder}\n{checksum}xrootd.async off\n{self.more}"
        )
        self.process = subprocess.Popen(
            ["/usr/bin/xrootd", "-R", "xrootd", "-c", str(configuration), "-l", str(self.folder / "log"),
             "-n", self.name],
            cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for(self._is_up, f"the storage {self.name}", 20)
        return self

    def stop(self) -> None:
        """End it at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def freeze(self) -> None:
        """Have it answer nothing, with its connections open, until it is stopped or thawed."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def find(self) -> list[Path]:
        """All files that are stored."""
        return sorted(path for path in self.files.rglob("*") if path.is_file())

    def put(self, name: str, data: bytes) -> str:
        """Store a file behind its back; return its path for a URL."""
        path = self.files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        for place in (path, *path.relative_to(self.files).parents):
            shutil.chown(self.files / place, "xrootd")
        return f"/{name}"

    def _is_up(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "log").read_text()
        return is_listening(self.port)


@contextlib.contextmanager
def storage_of_test(name: str = "one") -> Iterator[Storage]:
    """A running storage in a folder that its user may come to, which those of pytest are not."""
    folder = Path(tempfile.mkdtemp(prefix="headless-se-", dir="/tmp"))
    folder.chmod(0o755)
    storage = Storage(folder, name)
    try:
        yield storage.start()
    finally:
        storage.stop()
        shutil.rmtree(folder)


def is_listening(port: int) -> bool:
    """Whether somebody takes connections at a port of this machine."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5 * TIME_SCALE).close()
    except OSError:
        return False
    return True


def open_to_storage(folder: Path) -> Path:
    """Let the storage's user come through to a folder below pytest's, which are 0700."""
    for place in (folder, *folder.parents):
        if place.stat().st_uid == os.getuid() and not place.stat().st_mode & 0o001:
            place.chmod(0o711)
    return folder


@contextlib.contextmanager
def show_port(storage: Storage, service: str) -> Iterator[None]:
    """Have the grid name another address for a storage."""
    real = storage.port
    storage.port = int(service.rpartition(":")[2])
    try:
        yield
    finally:
        storage.port = real
