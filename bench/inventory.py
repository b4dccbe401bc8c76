"""``python -m bench.inventory``: the inventory's figures; exit 1 if a target is missed."""

import argparse
import sys
import tempfile
from pathlib import Path

from bench.inventory_accept import build_accept_rows, build_accept_targets, measure_accepting
from bench.inventory_databases import HEAD, build_database_rows, build_database_targets, measure_databases
from bench.inventory_fleet import Fleet
from bench.inventory_questions import build_question_rows, build_question_targets, measure_asking
from bench.inventory_report import build_report_rows, build_report_targets, measure_reporting
from bench.inventory_store import HOSTS, build_store_rows, build_store_targets, measure_storing
from bench.report import build_table, describe_machine, write_between_markers

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
ROUNDS = 21
FEWEST_ROUNDS = 15  # of a table that may be published


def main() -> int:
    """Measure all; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.inventory", description=__doc__)
    parser.add_argument("-n", "--rounds", type=int, default=ROUNDS, help="of the short ones; default: %(default)s")
    parser.add_argument("--hosts", type=int, default=HOSTS, help="of the simulated fleet; default: %(default)s")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hl-bench-") as name:
        reporting = measure_reporting(Path(name), arguments.rounds)
        accepting = measure_accepting(Path(name) / "accept")
        storing = measure_storing(Path(name) / "store", arguments.hosts)
        databases = measure_databases(Path(name) / "databases")
        asking = measure_asking(Path(name) / "store" / "fleet", Fleet(arguments.hosts))
    targets = [
        *build_report_targets(reporting),
        *build_accept_targets(accepting),
        *build_store_targets(storing),
        *build_database_targets(databases),
        *build_question_targets(asking),
    ]
    text = "\n\n".join(
        [
            describe_machine(arguments.rounds),
            build_table(("target", "measured", "must", "aim", ""), (target.row for target in targets)),
            build_table(("a report", "wall, ms", "CPU, ms"), build_report_rows(reporting)),
            build_table(("the collector", ""), build_accept_rows(accepting) + build_store_rows(storing)),
            build_table(HEAD, build_database_rows(databases)),
            build_table(("a question to it", "rows", "first, ms", "then, ms"), build_question_rows(asking)),
        ]
    )
    print(text)
    if arguments.rounds >= FEWEST_ROUNDS and arguments.hosts >= HOSTS:
        write_between_markers(DOCUMENT, "inventory", text)
    return 0 if all(target.is_met for target in targets) else 1


if __name__ == "__main__":
    sys.exit(main())
