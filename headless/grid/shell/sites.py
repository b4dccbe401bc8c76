"""Computing elements."""

from headless.grid.errnos import EINVAL
from headless.grid.messages import GridError, Reply, Row
from headless.grid.shell.shell import Shell

__all__ = ["show_sites"]

COLUMNS = (("ceName", 28), ("host", 50), ("status", 8), ("type", 10), ("maxRunning", 6), ("maxQueued", 6), ("TTL", 10))
HEADER = "".join(
    name.ljust(width)
    for name, (_, width) in zip(("Name", "Host", "State", "Type", "R", "W", "TTL"), COLUMNS, strict=True)
)


def show_sites(shell: Shell, name: str, args: list[str]) -> Reply:
    """``getCE``: all, or those that all given conditions fit."""
    conditions = _read_conditions(args)
    rows = [row for row in shell.query("listCEs").rows if all(_fits(row, *condition) for condition in conditions)]
    if shell.output.format != "text":
        return shell.answer(*rows)
    return shell.answer(HEADER + "Partitions", *map(_write, rows))


def _read_conditions(args: list[str]) -> list[tuple[str, str]]:
    keys = {"-name": "ceName", "-host": "host", "-part": "partitions"}
    options, values = args[::2], args[1::2]
    if len(options) != len(values) or set(options) - set(keys):
        raise GridError(EINVAL, "getCE: give -name TEXT, -host TEXT, -part NAME")
    return [(keys[option], value.casefold()) for option, value in zip(options, values, strict=True)]


def _fits(row: Row, key: str, wanted: str) -> bool:
    value = row.get(key, "").casefold()
    return wanted in value.split(",") if key == "partitions" else wanted in value


def _write(row: Row) -> str:
    cells = {**row, "ceName": row.get("ceName", "").replace("ALICE::", "")}
    return "".join(cells.get(key, "").ljust(width) for key, width in COLUMNS) + row.get("partitions", "").strip(",")
