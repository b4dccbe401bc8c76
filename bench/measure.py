"""Running a command and measuring it: wall time from spawn to exit, CPU time by wait4(2); both sides in turn."""

import os
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Command", "Sample", "compute_median", "measure_in_turn", "run_once"]


@dataclass(frozen=True)
class Command:
    """A command line, and the environment it is run with."""

    argv: list[str]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Sample:
    """One run of a command, in seconds; ``cpu_s`` is user and system time of the process itself."""

    wall_s: float
    cpu_s: float


def run_once(command: Command) -> Sample:
    """Run a command to its end, standard input from nowhere, standard error as ours.

    Raises:
        RuntimeError: its status was not 0: what it took means nothing.
    """
    actions = [(os.POSIX_SPAWN_OPEN, descriptor, os.devnull, os.O_RDWR, 0) for descriptor in (0, 1)]
    began = time.perf_counter()
    pid = os.posix_spawn(command.argv[0], command.argv, command.environment, file_actions=actions)
    _, status, usage = os.wait4(pid, 0)
    wall_s = time.perf_counter() - began
    if status:
        raise RuntimeError(f"exit code {os.waitstatus_to_exitcode(status)} of {' '.join(command.argv)}")
    return Sample(wall_s, usage.ru_utime + usage.ru_stime)


def measure_in_turn(commands: Mapping[str, Command], rounds: int) -> dict[str, list[Sample]]:
    """Run all commands one after the other, again and again, so that what disturbs one disturbs them all.

    Args:
        commands: by name.
        rounds: that count; one more goes before them to warm up.
    """
    samples: dict[str, list[Sample]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            sample = run_once(command)
            if number:
                samples[name].append(sample)
    return samples


def compute_median(samples: Sequence[Sample]) -> Sample:
    """The medians of wall and CPU time, each by itself."""
    return Sample(statistics.median(item.wall_s for item in samples), statistics.median(item.cpu_s for item in samples))
