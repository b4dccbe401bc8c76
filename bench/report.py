"""The table: its rows, the targets and whether they are met, and the machine that it was measured on."""

import os
import platform
import re
import ssl
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Target", "build_table", "describe_machine", "write_between_markers"]


@dataclass(frozen=True)
class Target:
    """A figure that must be reached, or must not be exceeded.

    Attributes:
        name: what is measured.
        value: what it was.
        must: what it must be at most, or at least.
        aim: what we would like it to be; ``None`` if there is no such.
        unit: after the values.
        is_floor: whether the value must be at least that much.
    """

    name: str
    value: float
    must: float
    aim: float | None
    unit: str
    is_floor: bool = False

    @property
    def is_met(self) -> bool:
        """Whether it is what it must be."""
        return self._reaches(self.must)

    def _reaches(self, limit: float) -> bool:
        return self.value >= limit if self.is_floor else self.value <= limit

    @property
    def row(self) -> tuple[str, ...]:
        """Its row of the table of targets."""
        aim = "" if self.aim is None else f"{self.aim:.2f}{' (met)' if self._reaches(self.aim) else ''}"
        verdict = "met" if self.is_met else "MISSED"
        return (
            self.name,
            f"{self.value:.2f} {self.unit}",
            f"{'>= ' if self.is_floor else ''}{self.must:.2f}",
            aim,
            verdict,
        )


def build_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table: the first column to the left, the others to the right, fit to be read as it stands."""
    lines = [tuple(head), *map(tuple, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    padded = [_pad(line, widths) for line in lines]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [padded[0], rule, *padded[1:]])


def describe_machine(rounds: int) -> str:
    """One paragraph: when, on what, with which versions."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    load = os.getloadavg()[0]
    return (
        f"Measured on {time.strftime('%Y-%m-%d')}, {rounds} rounds in turn, medians. {os.cpu_count()} x "
        f"{cpu[1] if cpu else platform.machine()}, {platform.system()} {platform.release().partition('-')[0]}, "
        f"load {load:.1f} at the end; Python {platform.python_version()}, {ssl.OPENSSL_VERSION}, {_read_ssh_version()}."
    )


def write_between_markers(path: Path, part: str, text: str) -> None:
    """Replace what stands between the two marker lines of a part of a file.

    Raises:
        RuntimeError: the markers are not there.
    """
    first, last = (f"<!-- written by make bench, {part}: {edge} -->" for edge in ("begin", "end"))
    before, begin, rest = path.read_text().partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise RuntimeError(f"{path} has lost its marker lines: {first} and {last}")
    path.write_text(f"{before}{first}\n\n{text}\n\n{last}{after}")


def _pad(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [cells[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))]


def _read_ssh_version() -> str:
    done = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=False)
    return done.stderr.strip().partition(",")[0]
