"""Copying many files to and from a grid of our own: our client beside alien.py, in turn."""

import os
import statistics
from dataclasses import dataclass
from pathlib import Path

from bench.grid_big import BigCopies, measure_big_copies
from bench.grid_server import GridServer, run_grid_server
from bench.measure import Command, run_once

__all__ = ["Copies", "measure_copies"]

LINES, DELAY_MS = 100, 50  # files of one line; added to each server command
SMALL, SMALL_SIZE = 2000, 100 * 1024


@dataclass(frozen=True)
class Copies:
    """Seconds, medians; ``(ours, theirs)``, where theirs is alien.py.

    Attributes:
        lines_up: of files of one line, with a delay at each server command.
        lines_down: back.
        small_up: of files of 100 KiB.
        small_down: back.
        big: of 1 GiB, beside xrdcp.
    """

    lines_up: tuple[float, float]
    lines_down: tuple[float, float]
    small_up: tuple[float, float]
    small_down: tuple[float, float]
    big: BigCopies


def measure_copies(folder: Path, rounds: int, big_rounds: int) -> Copies:
    """Measure all, each part so many times, both sides in turn; the big file, which takes seconds, more often."""
    files = folder / "files"
    _make_files(files / "lines", LINES, 20)
    _make_files(files / "small", SMALL, SMALL_SIZE)
    with run_grid_server(folder / "slow", "--with-storage", "storage", "--delay", str(DELAY_MS)) as server:
        lines = _measure_folders(server, files / "lines", rounds)
    with run_grid_server(folder / "fast", "--with-storage", "storage") as server:
        small = _measure_folders(server, files / "small", rounds)
    # A server of its own, which has nothing of the small files to look at again meanwhile.
    with run_grid_server(folder / "big", "--with-storage", "storage") as server:
        big = measure_big_copies(server, files, big_rounds)
    return Copies(*lines, *small, big)


def _measure_folders(server: GridServer, source: Path, rounds: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """Both clients, up and down, a new target each time.

    Nothing is removed in between, and all is on disk before each copy begins: of what was removed a moment ago, or is
    still to be written, whoever comes next would have the costs (ext4 looks for an inode that was free for longer; who
    syncs a file waits there for what others have written too).
    """
    taken: dict[str, list[float]] = {name: [] for name in ("up ours", "up theirs", "down ours", "down theirs")}
    for number in range(rounds):
        for name, client in (("ours", server.ours), ("theirs", server.theirs))[:: -1 if number % 2 else 1]:
            target, back = f"{source.name}-{name}{number}/", server.home / f"back-{source.name}-{name}{number}"
            # One replica, and both with their own idea of how many at a time.
            taken[f"up {name}"].append(_run_synced(client("cp", f"file:{source}/", f"alien:{target}@disk:1")))
            taken[f"down {name}"].append(_run_synced(client("cp", f"alien:{target}", f"file:{back}/")))
            _check(back, source, name)
    median = {name: statistics.median(values) for name, values in taken.items()}
    return (median["up ours"], median["up theirs"]), (median["down ours"], median["down theirs"])


def _make_files(folder: Path, count: int, size: int) -> None:
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"file{number:05d}").write_bytes(os.urandom(size // 2).hex().encode())


def _run_synced(command: Command) -> float:
    os.sync()
    return run_once(command).wall_s


def _check(back: Path, source: Path, name: str) -> None:
    """What was not copied whole was not fast."""
    sizes = {path.name: path.stat().st_size for path in source.iterdir()}
    found = {path.name: path.stat().st_size for path in back.rglob("*") if path.is_file()}
    if found != sizes:
        lost = len(sizes.items() - found.items())
        raise RuntimeError(f"{lost} of {len(sizes)} files of {name} did not come back whole, with exit code 0")
