"""Where a launch's time goes: the parts of ``marked_launch.py``, and the packages that ``-X importtime`` blames."""

import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.measure import Sample, compute_median

__all__ = ["measure_imports", "measure_parts"]

MARKED_LAUNCH = str(Path(__file__).with_name("marked_launch.py"))
IMPORTS = "import headless.cli.main, headless.cli.launch, headless.launcher.run, headless.protocol.scram, ssl"
IMPORT_LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)")

REST = "the rest of the standard library"


def measure_parts(options: Sequence[str], environment: Mapping[str, str], rounds: int) -> dict[str, Sample]:
    """Run marked launches; return for each part, in order, the medians of what it took.

    Args:
        options: of the launcher.
        environment: of the launcher.
        rounds: that count; one more warms up.
    """
    runs = [_run_marked(options, environment) for _ in range(rounds + 1)][1:]
    return {part: compute_median([run[part] for run in runs]) for part in runs[0]}


def measure_imports(rounds: int) -> dict[str, float]:
    """Import what a launch over TLS imports under ``-X importtime``; return seconds by package, without their imports.

    The measuring itself costs something for each module: these are shares, not times to be added to others.
    """
    runs = [_run_imports() for _ in range(rounds + 1)][1:]
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def _run_marked(options: Sequence[str], environment: Mapping[str, str]) -> dict[str, Sample]:
    reader, writer = os.pipe()
    start = time.monotonic()
    argv = [sys.executable, "-I", MARKED_LAUNCH, repr(start), *options]
    actions = [(os.POSIX_SPAWN_DUP2, writer, 1), (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
    pid = os.posix_spawn(argv[0], argv, environment, file_actions=actions)
    os.close(writer)
    with open(reader, "rb") as file:
        output = file.read()
    _, status, usage = os.wait4(pid, 0)
    end = Sample(time.monotonic() - start, usage.ru_utime + usage.ru_stime)
    if status:
        raise RuntimeError(f"a marked launch failed: {os.waitstatus_to_exitcode(status)}")
    marks = [*json.loads(output), ["interpreter end", end.wall_s, end.cpu_s]]
    parts: dict[str, Sample] = {}
    before = Sample(0.0, 0.0)
    for part, wall_s, cpu_s in marks:
        known = parts.get(part, Sample(0.0, 0.0))
        parts[part] = Sample(known.wall_s + wall_s - before.wall_s, known.cpu_s + cpu_s - before.cpu_s)
        before = Sample(wall_s, cpu_s)
    return parts


def _run_imports() -> dict[str, float]:
    argv = [sys.executable, "-I", "-X", "importtime", "-c", IMPORTS]
    done = subprocess.run(argv, check=True, capture_output=True, text=True, env={})
    names = dict.fromkeys(("click", "headless", "ssl", REST), 0.0)
    for line in done.stderr.splitlines():
        if match := IMPORT_LINE.match(line):
            package = match[2].partition(".")[0].removeprefix("_")
            names[package if package in names else REST] += int(match[1]) / 1e6
    return names
