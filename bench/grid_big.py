"""One file of 1 GiB to and from a grid of our own: our client beside xrdcp.

Memory decides this one as much as either client. A virtual machine gives free pages back to its host, and has to ask
for them again: on such pages the same client takes up to twice as long as on pages that were in use a moment ago. So
each copy is removed as soon as it is measured, the rounds have all orders of the sides in turn, and before each copy
as much memory is touched, and let go, as it will need.
"""

import itertools
import json
import mmap
import os
import shutil
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.grid_server import GridServer
from bench.measure import Command, run_once

__all__ = ["BigCopies", "measure_big_copies"]

SIZE = 1 << 30
PIECE = 1 << 20
TOUCHED = 3 << 29  # bytes: of the file, and of what both ends keep of it on its way
KEPT = "kept"
ALIKE = ("--cksum", "crc32c:source")

Turn = Callable[[], float]


@dataclass(frozen=True)
class BigCopies:
    """Seconds, medians; ``(ours, theirs)``.

    Attributes:
        up: beside xrdcp as it is: with checksums of the pages on their way, and none of the whole.
        up_alike: beside xrdcp with the same: no checksums of pages, and one of the whole at the end.
        down: beside xrdcp as it is.
    """

    up: tuple[float, float]
    up_alike: tuple[float, float]
    down: tuple[float, float]


def measure_big_copies(server: GridServer, files: Path, rounds: int) -> BigCopies:
    """Measure each so many times, in turn."""
    source = files / "big"
    with source.open("wb") as file:
        for _ in range(SIZE // PIECE):
            file.write(os.urandom(PIECE))
    os.sync()
    up = _measure_in_turn(
        {
            "ours": lambda: _upload(server, server.ours("cp", f"file:{source}", "alien:big@disk:1")),
            "theirs": lambda: _upload(server, _xrdcp(str(source), _get_url(server, "write", "-s", str(SIZE), "big"))),
            "alike": lambda: _upload(
                server, _xrdcp(str(source), _get_url(server, "write", "-s", str(SIZE), "big"), *ALIKE)
            ),
        },
        rounds,
    )
    run_once(server.ours("cp", f"file:{source}", f"alien:{KEPT}@disk:1"))
    back = server.home / "back"
    down = _measure_in_turn(
        {
            "ours": lambda: _download(server.ours("cp", f"alien:{KEPT}", f"file:{back}"), back),
            "theirs": lambda: _download(_xrdcp(_get_url(server, "read", KEPT), str(back)), back),
        },
        rounds,
    )
    run_once(server.ours("rm", KEPT))
    return BigCopies((up["ours"], up["theirs"]), (up["ours"], up["alike"]), (down["ours"], down["theirs"]))


def _measure_in_turn(turns: Mapping[str, Turn], rounds: int) -> dict[str, float]:
    """The medians, after one turn of each that is not counted."""
    for turn in turns.values():
        turn()
    taken: dict[str, list[float]] = {name: [] for name in turns}
    for order in itertools.islice(itertools.cycle(itertools.permutations(turns)), rounds):
        for name in order:
            _touch_memory()
            taken[name].append(turns[name]())
    return {name: statistics.median(values) for name, values in taken.items()}


def _touch_memory() -> None:
    """Have free pages that the host need not be asked for."""
    with mmap.mmap(-1, TOUCHED) as memory:
        for offset in range(0, TOUCHED, mmap.PAGESIZE):
            memory[offset] = 1


def _upload(server: GridServer, command: Command) -> float:
    wall_s = run_once(command).wall_s
    stored = [path for path in server.storage.rglob("*") if path.is_file() and path.stat().st_size == SIZE]
    if len(stored) != 1:
        raise RuntimeError(f"{len(stored)} files at the storage, and there should be one")
    stored[0].unlink()
    if "big" in server.ask("ls").split():  # xrdcp registers nothing
        run_once(server.ours("rm", "big"))
    return wall_s


def _download(command: Command, back: Path) -> float:
    wall_s = run_once(command).wall_s
    if back.stat().st_size != SIZE:
        raise RuntimeError("the file has not come back whole")
    back.unlink()
    return wall_s


def _get_url(server: GridServer, *words: str) -> str:
    """A URL that the storage takes, with its envelope."""
    (row,) = json.loads(server.ask("--json", "access", *words, "disk:1"))["results"]
    return f"{row['url']}?authz={row['envelope']}"


def _xrdcp(source: str, target: str, *options: str) -> Command:
    program = shutil.which("xrdcp")
    if program is None:
        raise RuntimeError("xrdcp is not installed: apt-get install xrootd-client")
    pages = {"XRD_CPUSEPGWRTRD": "0"} if options else {}
    words = [program, "--silent", "--force", *options, source, target]
    return Command(words, {"PATH": "/usr/bin:/bin", "HOME": "/", **pages})
