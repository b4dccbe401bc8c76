"""Copying to and from a grid of our own: our client beside alien.py and xrdcp, in turn."""

import json
import os
import shutil
import statistics
from dataclasses import dataclass
from pathlib import Path

from bench.grid_server import GridServer, run_grid_server
from bench.measure import Command, run_once

__all__ = ["Copies", "measure_copies"]

LINES, DELAY_MS = 100, 50  # files of one line; added to each server command
SMALL, SMALL_SIZE = 2000, 100 * 1024
BIG = 1 << 30
MIB = 1 << 20
ALIKE = ("--cksum", "crc32c:source")


@dataclass(frozen=True)
class Copies:
    """Seconds, medians; ``(ours, theirs)``, where theirs is alien.py for many files and xrdcp for a big one.

    Attributes:
        lines_up: of files of one line, with a delay at each server command.
        lines_down: back.
        small_up: of files of 100 KiB.
        small_down: back.
        big_up: 1 GiB, beside xrdcp without a checksum.
        big_down: back.
        big_up_alike: the first, beside xrdcp with the same: no checksums of pages, and one of the whole at the end.
    """

    lines_up: tuple[float, float]
    lines_down: tuple[float, float]
    small_up: tuple[float, float]
    small_down: tuple[float, float]
    big_up: tuple[float, float]
    big_down: tuple[float, float]
    big_up_alike: tuple[float, float]


def measure_copies(folder: Path, rounds: int) -> Copies:
    """Measure all, each part so many times, both sides in turn."""
    files = folder / "files"
    _make_files(files / "lines", LINES, 20)
    _make_files(files / "small", SMALL, SMALL_SIZE)
    with run_grid_server(folder / "slow", "--with-storage", "storage", "--delay", str(DELAY_MS)) as server:
        lines = _measure_folders(server, files / "lines", rounds)
    with run_grid_server(folder / "fast", "--with-storage", "storage") as server:
        small = _measure_folders(server, files / "small", rounds)
        big = _measure_big(server, files, rounds)
    return Copies(*lines, *small, *big)


def _measure_folders(server: GridServer, source: Path, rounds: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """Both clients, up and down, a new target each time."""
    taken: dict[str, list[float]] = {name: [] for name in ("up ours", "up theirs", "down ours", "down theirs")}
    for number in range(rounds):
        for name, client in (("ours", server.ours), ("theirs", server.theirs)):
            target, back = f"{source.name}-{name}{number}/", server.home / "back"
            # One replica, and both with their own idea of how many at a time.
            taken[f"up {name}"].append(run_once(client("cp", f"file:{source}/", f"alien:{target}@disk:1")).wall_s)
            taken[f"down {name}"].append(run_once(client("cp", f"alien:{target}", f"file:{back}/")).wall_s)
            _check(back, source)
            shutil.rmtree(back)
            run_once(server.ours("rm", "-r", target))
    median = {name: statistics.median(values) for name, values in taken.items()}
    return (median["up ours"], median["up theirs"]), (median["down ours"], median["down theirs"])


def _measure_big(server: GridServer, files: Path, rounds: int) -> tuple[tuple[float, float], ...]:
    source, back = files / "big", server.home / "big"
    with source.open("wb") as file:
        for _ in range(BIG // MIB):
            file.write(os.urandom(MIB))
    taken: dict[str, list[float]] = {
        name: [] for name in ("up ours", "up theirs", "up alike", "down ours", "down theirs")
    }
    for number in range(rounds):
        name = f"big{number}"
        plain = _xrdcp(str(source), _get_url(server, "write", "-s", str(BIG), f"{name}-plain"))
        taken["up theirs"].append(run_once(plain).wall_s)
        checked = _xrdcp(str(source), _get_url(server, "write", "-s", str(BIG), f"{name}-alike"), *ALIKE)
        taken["up alike"].append(run_once(checked).wall_s)
        taken["up ours"].append(run_once(server.ours("cp", f"file:{source}", f"alien:{name}@disk:1")).wall_s)
        taken["down theirs"].append(run_once(_xrdcp(_get_url(server, "read", name), str(back))).wall_s)
        back.unlink()
        taken["down ours"].append(run_once(server.ours("cp", f"alien:{name}", f"file:{back}")).wall_s)
        if back.stat().st_size != BIG:
            raise RuntimeError("the file has not come back whole")
        back.unlink()
        run_once(server.ours("rm", name))
    median = {name: statistics.median(values) for name, values in taken.items()}
    up, down, alike = (median[name] for name in ("up ours", "down ours", "up alike"))
    return (up, median["up theirs"]), (down, median["down theirs"]), (up, alike)


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


def _make_files(folder: Path, count: int, size: int) -> None:
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"file{number:05d}").write_bytes(os.urandom(size // 2).hex().encode())


def _check(back: Path, source: Path) -> None:
    """What was not copied whole was not fast."""
    sizes = {path.name: path.stat().st_size for path in source.iterdir()}
    found = {path.name: path.stat().st_size for path in back.rglob("*") if path.is_file()}
    if found != sizes:
        raise RuntimeError(f"{len(sizes.items() - found.items())} of {len(sizes)} files did not come back whole")
