"""A real grid of a test's own with a real storage behind a relay, so that the way to the storage can fail."""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from free_port import find_port
from grid_storage import is_listening
from grid_support import GridServer
from headless.grid.serve.storage_folder import StorageFolder, find_program, find_user
from support import wait_for
from tcp_relay import TcpRelay, tcp_relay

STORAGE = "LOCAL::SITE::FAR"


@contextlib.contextmanager
def relayed_grid(folder: Path) -> Iterator[tuple[GridServer, TcpRelay]]:
    """A grid that is not started yet, with one storage; the relay is the only address of it that the grid knows."""
    with (
        GridServer(folder) as server,
        _run_storage(server, folder / "key") as port,
        tcp_relay(f"127.0.0.1:{port}") as relay,
    ):
        server.options = ("--with-storage", f"{STORAGE}=root://{relay.service}")
        yield server, relay


@contextlib.contextmanager
def _run_storage(server: GridServer, key: Path) -> Iterator[int]:
    """An XRootD as an administrator would set it up elsewhere; its port."""
    server.run_tool("pki", "--state", str(server.state), "storage", STORAGE, "--out", str(key))
    # Where tests run as root another user serves the files, who may not pass through pytest's own folders.
    place = Path(tempfile.mkdtemp(prefix="headless-far-", dir="/tmp"))
    place.chmod(0o755)
    account, port = find_user(), find_port()
    storage = StorageFolder(str(place), account)
    storage.prepare(STORAGE, port, key.read_text())
    process = subprocess.Popen(
        [find_program(), "-c", storage.configuration, "-l", storage.log],
        cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=account.uid, group=account.gid,
    )  # fmt: skip
    try:
        wait_for(lambda: is_listening(port), "the storage", 20)
        yield port
    finally:
        process.kill()
        process.wait()
        storage.close()
        shutil.rmtree(place)
