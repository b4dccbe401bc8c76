"""``python -m bench``: measure, print the table, write it to ``docs/benchmarks.md``; exit 1 if a target is missed.

Run it by ``make bench``: what is measured is the installed ``headless`` beside this interpreter, never the source tree.
"""

import argparse
import contextlib
import os
import sys
import tempfile
from pathlib import Path

from bench.load import build_load_table, build_load_targets, measure_load
from bench.measure import Command, Sample, compute_median, measure_in_turn
from bench.parts import measure_imports, measure_parts
from bench.report import Target, build_table, describe_machine, write_between_markers
from bench.server import build_environment, run_server
from bench.sshd import run_sshd

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
ROUNDS = 21
FEWEST_ROUNDS = 15  # of a table that may be published
SESSIONS = 2000

SSH = "ssh 127.0.0.1 python3 -I -c pass"
TLS = "launch over TLS, challenge"
UNIX = "launch over the unix socket, osuser"
COLD = "launch over TLS, job in a cold interpreter"
BARE = "python3 -I -c pass"
BASELINE = "import click, ssl, websockets.client"


def main() -> int:
    """Measure all; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("-n", "--rounds", type=int, default=ROUNDS, help="of each measurement; default: %(default)s")
    parser.add_argument("--sessions", type=int, default=SESSIONS, help="that wait; default: %(default)s")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hl-bench-") as name:
        text, targets = measure(Path(name), arguments.rounds, arguments.sessions)
    print(text)
    if arguments.rounds >= FEWEST_ROUNDS and arguments.sessions >= SESSIONS:
        write_between_markers(DOCUMENT, "jobs", text)
    else:
        print(f"\nNot written to {DOCUMENT.name}: fewer than {FEWEST_ROUNDS} rounds or {SESSIONS} sessions.")
    return 0 if all(target.is_met for target in targets) else 1


def measure(folder: Path, rounds: int, sessions: int) -> tuple[str, list[Target]]:
    """Measure all in a folder of its own; return the text for the document, and the targets."""
    for part in ("warm", "cold", "ssh"):
        (folder / part).mkdir()
    with contextlib.ExitStack() as stack:
        _say("launches beside ssh")
        ssh = stack.enter_context(run_sshd(folder / "ssh"))
        warm = stack.enter_context(run_server(folder / "warm"))
        cold = stack.enter_context(run_server(folder / "cold", "--python", os.path.realpath(sys.executable)))
        commands = {
            SSH: ssh,
            TLS: warm.launch(*warm.login),
            UNIX: warm.launch("-s", warm.unix),
            COLD: cold.launch(*cold.login),
            **_build_baselines(folder),
        }
        medians = {name: compute_median(samples) for name, samples in measure_in_turn(commands, rounds).items()}
        _say("the parts of a launch")
        parts = {
            TLS: measure_parts([*commands[TLS].argv[1:]], commands[TLS].environment, rounds),
            UNIX: measure_parts([*commands[UNIX].argv[1:]], commands[UNIX].environment, rounds),
        }
        imports = measure_imports(rounds)
    load = measure_load(folder, rounds, sessions, _say)
    targets = [*_build_targets(medians), *build_load_targets(load)]
    blocks = [
        describe_machine(rounds),
        build_table(("target", "measured", "must", "aim", ""), (target.row for target in targets)),
        build_table(("command", "wall ms", "of ssh", "CPU ms", "of the imports"), _build_rows(medians)),
        build_table(
            ("part of a launch", "TLS wall ms", "TLS CPU ms", "unix wall ms", "unix CPU ms"), _build_part_rows(parts)
        ),
        build_table(("imports of a launch (-X importtime)", "ms"), ((name, _ms(s)) for name, s in imports.items())),
        build_load_table(load),
    ]
    return "\n\n".join(blocks), targets


def _build_baselines(folder: Path) -> dict[str, Command]:
    """What an interpreter costs before it is of any use."""
    codes = {
        BARE: "pass",
        "import click": "import click",
        "import ssl": "import ssl",
        "import websockets.client": "import websockets.client",
        BASELINE: BASELINE,
    }
    environment = build_environment(folder)
    return {name: Command([sys.executable, "-I", "-c", code], environment) for name, code in codes.items()}


def _build_targets(medians: dict[str, Sample]) -> list[Target]:
    ssh_s, imports_s = medians[SSH].wall_s, medians[BASELINE].cpu_s
    return [
        Target(f"{TLS}: wall", medians[TLS].wall_s / ssh_s, 0.40, 0.20, "x ssh"),
        Target(f"{UNIX}: wall", medians[UNIX].wall_s / ssh_s, 0.30, 0.15, "x ssh"),
        Target(f"{TLS}: CPU of the launcher", medians[TLS].cpu_s / imports_s, 1.15, None, "x the imports"),
    ]


def _build_rows(medians: dict[str, Sample]) -> list[tuple[str, ...]]:
    ssh_s, imports_s = medians[SSH].wall_s, medians[BASELINE].cpu_s
    return [
        (name, _ms(item.wall_s), f"{item.wall_s / ssh_s:.2f}", _ms(item.cpu_s), f"{item.cpu_s / imports_s:.2f}")
        for name, item in medians.items()
    ]


def _build_part_rows(parts: dict[str, dict[str, Sample]]) -> list[tuple[str, ...]]:
    tls, unix = parts[TLS], parts[UNIX]
    names = list(tls) + [name for name in unix if name not in tls]
    rows = [(name, *_show_part(tls.get(name)), *_show_part(unix.get(name))) for name in names]
    total = [
        Sample(sum(item.wall_s for item in p.values()), sum(item.cpu_s for item in p.values())) for p in (tls, unix)
    ]
    return [*rows, ("together", *_show_part(total[0]), *_show_part(total[1]))]


def _show_part(sample: Sample | None) -> tuple[str, str]:
    return ("", "") if sample is None else (_ms(sample.wall_s), _ms(sample.cpu_s))


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f}"


def _say(what: str) -> None:
    print(f"bench: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
