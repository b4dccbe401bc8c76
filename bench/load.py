"""The server under load: its figures, the targets among them, and their tables."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.history import Past, measure_past
from bench.report import Target, build_table
from bench.server import Server, run_server
from bench.sessions import STARTER, Burst, Waiting, measure_burst, measure_job_rates, measure_rate, measure_waiting

__all__ = ["Load", "build_load_table", "build_load_targets", "measure_load"]

LAUNCHERS = 8
BUSY_SESSIONS = 32  # that start job after job
EACH = 10  # jobs of each of them in a round
RATE_ROUNDS = 7
BURST_SESSIONS = 200
BURST = 1000  # starts in one second
PAST = 100_000  # jobs
PAST_ROUNDS = 7
KIB = 1024


@dataclass(frozen=True)
class Load:
    """What was measured.

    Attributes:
        sessions: how many waited for a job at a time.
        start_s: seconds from the server's command until it listens, with a new state folder.
        launches: a second, of launchers at a time.
        rates: jobs a second over TLS, over the unix socket, and what xargs starts.
        burst: see the class.
        waiting: see the class.
        pasts: without and with a past.
    """

    sessions: int
    start_s: float
    launches: float
    rates: dict[str, float]
    burst: Burst
    waiting: Waiting
    pasts: tuple[Past, Past]


def measure_load(folder: Path, rounds: int, sessions: int, say: Callable[[str], None]) -> Load:
    """Measure all, each part with a server of its own.

    Args:
        folder: for the servers' state.
        rounds: of a start.
        sessions: that wait.
        say: is told what is being measured.
    """
    for part in ("busy", "many", "past", *(f"start{number}" for number in range(rounds))):
        (folder / part).mkdir()
    with run_server(folder / "busy") as busy:
        say("parallel launchers")
        launches = measure_rate(busy, LAUNCHERS, rounds)
        say(f"job after job from {BUSY_SESSIONS} sessions")
        rates = measure_job_rates(busy, BUSY_SESSIONS, EACH, RATE_ROUNDS)
        say(f"{BURST} starts in a second")
        burst = measure_burst(busy, BURST_SESSIONS, BURST)
    say(f"{sessions} sessions that wait")
    with run_server(folder / "many") as many:
        waiting = measure_waiting(many, sessions)
    say("starting the server")
    start_s = _measure_start(folder, rounds)
    say(f"{PAST} jobs in the journal")
    pasts = measure_past(folder / "past", PAST, PAST_ROUNDS)
    return Load(sessions, start_s, launches, rates, burst, waiting, pasts)


def build_load_targets(load: Load) -> list[Target]:
    """What must be reached."""
    none, many = load.pasts
    size = max(load.waiting.growth.values()) / KIB
    return [
        *(
            Target(f"jobs a second from {BUSY_SESSIONS} sessions, {name}", rate / load.rates[STARTER], 1.0, 2.0,
                   "x xargs", is_floor=True)
            for name, rate in load.rates.items() if name != STARTER
        ),
        Target(f"memory of a waiting TLS session, {load.sessions} of them", size, 45, None, "KiB"),
        Target(f"server start with {PAST:,} jobs in the journal", many.start_s - none.start_s, 1, None, "s more"),
        Target(f"headless jobs list with {PAST:,} jobs in the journal", many.list_s - none.list_s, 1, None, "s more"),
    ]  # fmt: skip


def build_load_table(load: Load) -> str:
    """All of it."""
    burst, waiting, (none, many) = load.burst, load.waiting, load.pasts
    starts = f"{BURST:,} starts in one second over {BURST_SESSIONS} TLS sessions"
    rows = [
        ("start to listening, ms", f"{load.start_s * 1000:.1f}"),
        (f"jobs per second, {LAUNCHERS} launchers over TLS at a time", f"{load.launches:.1f}"),
        *((f"jobs per second, {BUSY_SESSIONS} sessions {name}", f"{rate:.1f}")
          for name, rate in load.rates.items() if name != STARTER),
        (f"interpreters per second, {STARTER}", f"{load.rates[STARTER]:.1f}"),
        (f"{starts}: until the last was accepted, s", f"{burst.accepted_s:.2f}"),
        ("until the last had ended, s", f"{burst.ended_s:.2f}"),
        ("told to come again", str(burst.retries)),
        ("peak of the server's resident memory, MiB", f"{burst.memory / KIB / KIB:.1f}"),
        *((f"KiB per session, {when}", f"{size / KIB:.1f}") for when, size in waiting.growth.items()),
        (f"server killed with {load.sessions} sessions: start to listening, ms", f"{waiting.start_s * 1000:.1f}"),
        (f"until all {load.sessions} were back and waited again, s", f"{waiting.back_s:.1f}"),
        ("start to listening, no past, ms", f"{none.start_s * 1000:.1f}"),
        (f"start to listening, {PAST:,} jobs in the journal, ms", f"{many.start_s * 1000:.1f}"),
        ("headless jobs list, no past, ms", f"{none.list_s * 1000:.1f}"),
        (f"headless jobs list, {PAST:,} jobs in the journal, ms", f"{many.list_s * 1000:.1f}"),
    ]  # fmt: skip
    return build_table(("server", ""), rows)


def _measure_start(folder: Path, rounds: int) -> float:
    times = []
    for number in range(rounds):
        server = Server(folder / f"start{number}")
        server.stop()
        times.append(server.start_s)
    return statistics.median(times)
