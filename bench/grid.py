"""``python -m bench.grid``: the grid's figures beside alien.py's and xrdcp's; exit 1 if a target is missed."""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.grid_copy import Copies, measure_copies
from bench.grid_server import run_grid_server
from bench.grid_sessions import Sessions, measure_sessions
from bench.measure import Command, compute_median, measure_in_turn
from bench.report import Target, build_table, describe_machine, write_between_markers

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
PEAK = str(Path(__file__).parent / "peak.py")
ROUNDS, COPY_ROUNDS, BIG_ROUNDS = 15, 3, 12
OURS, THEIRS = "headless grid pwd", "alien.py pwd"


def main() -> int:
    """Measure all; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.grid", description=__doc__)
    parser.add_argument("-n", "--rounds", type=int, default=ROUNDS, help="of the short ones; default: %(default)s")
    parser.add_argument("--copy-rounds", type=int, default=COPY_ROUNDS, help="of the copies; default: %(default)s")
    parser.add_argument("--big-rounds", type=int, default=BIG_ROUNDS, help="of a big one; default: %(default)s")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hl-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        walls, peaks = _measure_pwd(folder, arguments.rounds)
        copies = measure_copies(folder, arguments.copy_rounds, arguments.big_rounds)
        sessions = measure_sessions(folder, arguments.copy_rounds)
    targets = _build_targets(walls, peaks, copies)
    text = "\n\n".join(
        [
            describe_machine(arguments.rounds)
            + f" Copies: {arguments.copy_rounds} rounds, of 1 GiB {arguments.big_rounds}.",
            build_table(("target", "measured", "must", "aim", ""), (target.row for target in targets)),
            build_table(("", "ours", "theirs", "who"), _build_rows(walls, peaks, copies)),
            build_table(("headless grid serve", ""), _build_session_rows(sessions)),
        ]
    )
    print(text)
    fewest = (ROUNDS, COPY_ROUNDS, BIG_ROUNDS)
    given = (arguments.rounds, arguments.copy_rounds, arguments.big_rounds)
    if all(have >= least for have, least in zip(given, fewest, strict=True)):
        write_between_markers(DOCUMENT, "grid", text)
    return 0 if all(target.is_met for target in targets) else 1


def _measure_pwd(folder: Path, rounds: int) -> tuple[tuple[float, float], tuple[int, int]]:
    """Seconds and KiB, ours and theirs; a token is there for both."""
    with run_grid_server(folder / "pwd", "--rate-limit", "0") as server:
        server.ask("token-init")
        commands = {OURS: server.ours("pwd"), THEIRS: server.theirs("pwd")}
        medians = {name: compute_median(samples) for name, samples in measure_in_turn(commands, rounds).items()}
        peaks = _measure_peak(commands[OURS]), _measure_peak(commands[THEIRS])
    return (medians[OURS].wall_s, medians[THEIRS].wall_s), peaks


def _measure_peak(command: Command) -> int:
    argv = [sys.executable, "-I", "-S", PEAK, *command.argv]
    return int(subprocess.run(argv, env=command.environment, check=True, capture_output=True).stdout)


def _build_targets(walls: tuple[float, float], peaks: tuple[int, int], copies: Copies) -> list[Target]:
    def ratio(pair: tuple[float, float]) -> float:
        return pair[0] / pair[1]

    def rate(pair: tuple[float, float]) -> float:
        return pair[1] / pair[0]

    return [
        Target("headless grid pwd: wall", ratio(walls), 0.40, 0.25, "x alien.py"),
        Target("headless grid pwd: memory", peaks[0] / peaks[1], 0.45, 0.25, "x alien.py"),
        Target("100 files of one line up, 50 ms a command", ratio(copies.lines_up), 0.20, None, "x alien.py"),
        Target("the same down", ratio(copies.lines_down), 0.20, None, "x alien.py"),
        Target("1 GiB up: rate", rate(copies.big.up), 0.95, None, "x xrdcp", True),
        Target("1 GiB down: rate", rate(copies.big.down), 0.95, None, "x xrdcp", True),
        Target("2,000 files of 100 KiB up: files a second", rate(copies.small_up), 2.0, None, "x alien.py", True),
        Target("the same down", rate(copies.small_down), 2.0, None, "x alien.py", True),
    ]


def _build_rows(walls: tuple[float, float], peaks: tuple[int, int], copies: Copies) -> list[tuple[str, ...]]:
    rows = [
        ("pwd, a token is there: ms", *(f"{wall * 1000:.0f}" for wall in walls), "alien.py"),
        ("pwd: peak memory, MiB", *(f"{peak / 1024:.1f}" for peak in peaks), "alien.py"),
    ]
    named = {
        "100 files of one line up, 50 ms a command: s": copies.lines_up,
        "the same down: s": copies.lines_down,
        "2,000 files of 100 KiB up: s": copies.small_up,
        "the same back: s": copies.small_down,
    }
    rows += [(name, *(f"{value:.2f}" for value in pair), "alien.py") for name, pair in named.items()]
    alike = "xrdcp, no page checksums, crc32c at the end"
    for name, pair, who in (
        ("1 GiB up: MiB/s", copies.big.up, "xrdcp as it is"),
        ("1 GiB up: MiB/s", copies.big.up_alike, alike),
        ("1 GiB down: MiB/s", copies.big.down, "xrdcp as it is"),
    ):
        rows.append((name, *(f"{1024 / value:.0f}" for value in pair), who))
    return rows


def _build_session_rows(sessions: Sessions) -> list[tuple[str, str]]:
    return [
        ("commands a second from 1,000 sessions (pwd, ls, stat)", f"{sessions.per_second:.0f}"),
        ("memory of a session: KiB", f"{sessions.session_kib:.1f}"),
        ("find over 1,000,000 files, first row: ms", f"{sessions.first_row_s * 1000:.0f}"),
        ("the same, last row: s", f"{sessions.all_rows_s:.1f}"),
        ("the same, growth of the server's memory: MiB", f"{sessions.find_growth_mib:.1f}"),
    ]


if __name__ == "__main__":
    sys.exit(main())
