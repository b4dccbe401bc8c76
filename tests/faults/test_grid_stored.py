"""What was stored is verified, whatever checksums the storage knows; bytes that change on the way are found."""

import contextlib
import functools
import hashlib
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grid_storage import Storage, show_port
from headless.grid.serve.envelopes import READ, Envelopes
from scripted_grid import HOME, Reply, ScriptedGrid

pytestmark = pytest.mark.peer("xrootd")
MARK = b"what is changed on its way"
LARGE = 65 << 20
KINDS = ("md5 crc32c adler32", "md5", "adler32", "")


@pytest.fixture(scope="module", params=KINDS, ids=["all", "md5", "adler32", "none"])
def storage(request: pytest.FixtureRequest) -> Iterator[Storage]:
    """A storage that knows some checksums, or none."""
    folder = Path(tempfile.mkdtemp(prefix="headless-stored-", dir="/tmp"))
    folder.chmod(0o755)
    storage = Storage(folder)
    storage.checksum = request.param
    try:
        yield storage.start()
    finally:
        storage.stop()
        shutil.rmtree(folder)


@pytest.fixture
def grid(tmp_path: Path, storage: Storage) -> Iterator[ScriptedGrid]:
    """A server with it."""
    with ScriptedGrid(tmp_path, [storage]) as grid:
        yield grid


@pytest.mark.parametrize("size", [100, 3 << 20, LARGE])
def test_what_is_changed_on_its_way_is_found(grid: ScriptedGrid, storage: Storage, tmp_path: Path, size: int) -> None:
    data = os.urandom(size // 2) + MARK * 9 + os.urandom(size // 2)
    (tmp_path / "f").write_bytes(data)
    words = ("cp", "-norecovery", f"file:{tmp_path}/f", f"{HOME}/f@disk:1")
    with (
        _change(storage.port, lambda piece: piece.replace(MARK, MARK.upper())) as port,
        show_port(storage, f"127.0.0.1:{port}"),
    ):
        done = grid.world.run("grid", *words, limit_s=60)
    assert done.returncode == 74, done.stderr
    assert b"what was stored has the " in done.stderr
    assert grid.names() == []
    done = grid.world.run("grid", *words, limit_s=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert grid.files[f"{HOME}/f"].md5 == hashlib.md5(data).hexdigest()


def test_where_leave_to_write_is_for_nothing_else_it_is_verified_with_leave_to_read(tmp_path: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="headless-stored-", dir="/tmp"))
    folder.chmod(0o755)
    storage, envelopes = Storage(folder), Envelopes(bytes(32))
    storage.checksum = ""
    key = folder / "key"
    key.write_text(envelopes.derive_key_text("one"))
    key.chmod(0o400)
    shutil.chown(key, "xrootd")
    storage.more = (
        "all.sitename one\nofs.authorize\nofs.authlib libXrdMacaroons.so\nmacaroons.onmissing deny\n"
        f"macaroons.secretkey {key}\nmacaroons.maxduration 31622400\n"
    )
    grid = ScriptedGrid(tmp_path, [storage.start()])
    grid.answers["deleteMirror"] = functools.partial(_withdraw, grid)
    grid.answers["rm"] = lambda options: (1, "not allowed", []) if options[-1].endswith("too") else None
    (tmp_path / "f").write_bytes(b"x" * 50 + MARK)
    try:
        for spoilt, code in ((b"", 0), (b"spoilt out", 74), (b"spoilt last", 74), (b"spoilt too", 74)):
            grid.answers["access"] = functools.partial(_give_leave, grid, storage, envelopes, spoilt)
            done = grid.world.run(
                "grid", "cp", "-norecovery", f"file:{tmp_path}/f", f"{HOME}/f{spoilt[6:].decode()}@disk:1"
            )
            assert done.returncode == code, done.stderr
            if spoilt:
                assert b"what was stored has the md5" in done.stderr
                assert (b": remove it" in done.stderr) == (spoilt == b"spoilt too")
        assert grid.names() == ["f", "f too"]
    finally:
        grid.close()
        storage.stop()
        shutil.rmtree(folder)


def _withdraw(grid: ScriptedGrid, options: list[str]) -> Reply:
    lfn = options[0]
    if not lfn.endswith("out"):
        return 22, "the last replica stays", []
    del grid.files[lfn]
    return 0, "", []


def _give_leave(grid: ScriptedGrid, storage: Storage, envelopes: Envelopes, spoilt: bytes, options: list[str]) -> Reply:
    """Envelopes for what is asked for only; a file is spoilt when it is to be read."""
    code, error, rows = grid._do_access(options)
    is_write = "write" in options
    if spoilt and not is_write:
        (storage.files / grid.files[options[1]].replicas[storage.name][1:]).write_bytes(spoilt)
    activities = ("UPLOAD",) if is_write else READ
    shown = [
        {**row, "envelope": envelopes.build("one", "/" + row["url"].split("//", 2)[2].lstrip("/"), "t", activities, 60)}
        for row in rows
    ]
    return code, error, shown


@contextlib.contextmanager
def _change(port: int, change: Callable[[bytes], bytes]) -> Iterator[int]:
    """A port of a relay to another, that changes what goes there."""
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as stack:
        accepting = threading.Thread(target=_accept, args=(listener, port, change, stack))
        accepting.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join()


def _accept(listener: socket.socket, port: int, change: Callable[[bytes], bytes], stack: contextlib.ExitStack) -> None:
    with contextlib.suppress(OSError):
        while True:
            near = stack.enter_context(listener.accept()[0])
            far = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            for source, target, changed in ((near, far, change), (far, near, bytes)):
                pump = threading.Thread(target=_pump, args=(source, target, changed))
                pump.start()
                stack.callback(pump.join)
                stack.callback(_end, source)


def _pump(source: socket.socket, target: socket.socket, change: Callable[[bytes], bytes]) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 20):
            target.sendall(change(data))
    _end(target)


def _end(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
