"""Computing elements, and the jobs that are there."""

from headless.grid.errnos import EINVAL, ENOENT
from headless.grid.messages import GridError, Reply, Row
from headless.grid.shell.options import read_words
from headless.grid.shell.shell import Shell

__all__ = ["show_jobs", "show_sites"]

COLUMNS = (("ceName", 28), ("host", 50), ("status", 8), ("type", 10), ("maxRunning", 6), ("maxQueued", 6), ("TTL", 10))
HEADER = "".join(
    name.ljust(width)
    for name, (_, width) in zip(("Name", "Host", "State", "Type", "R", "W", "TTL"), COLUMNS, strict=True)
)

JOB_COLUMNS = (("id", 13), ("split", 13), ("status", 12), ("owner", 14), ("name", 0))
JOB_HEADER = f"{'JobID': <13}{'MasterJobID': <13}{'Status': <12}{'User': <14}Name"


def show_sites(shell: Shell, name: str, args: list[str]) -> Reply:
    """``getCE``: all, or those that all given conditions fit."""
    conditions = _read_conditions(args)
    rows = [row for row in shell.query("listCEs").rows if all(_fits(row, *condition) for condition in conditions)]
    if shell.output.format != "text":
        return shell.answer(*rows)
    return shell.answer(HEADER + "Partitions", *map(_write, rows))


def show_jobs(shell: Shell, name: str, args: list[str]) -> Reply:
    """``siteJobs``: all jobs at the sites whose names fit, or those that all conditions fit."""
    words = read_words(name, args, ("-id", "-running", "-r"), ("-status", "-user"), most=1)
    if not words.rest:
        raise GridError(EINVAL, "siteJobs: give a site, or a part of its name: see getCE")
    wanted = words.rest[0].casefold()
    sites = [row["ceName"] for row in shell.query("listCEs").rows if wanted in row.get("ceName", "").casefold()]
    if not sites:
        raise GridError(ENOENT, f"siteJobs: no site's name has {words.rest[0]!r} in it")
    status = "running" if words.flags & {"-running", "-r"} else words.last("-status").casefold()
    rows = [
        row
        for row in shell.query("ps", "-s", ",".join(sites), "-a").rows
        if _fits(row, "status", status) and _fits(row, "owner", words.last("-user").casefold())
    ]
    if "-id" in words.flags:
        return shell.answer(*[{**row, "message": row.get("id", "").strip()} for row in rows])
    if shell.output.format != "text":
        return shell.answer(*rows)
    return shell.answer(JOB_HEADER, *map(_write_job, rows))


def _write_job(row: Row) -> str:
    return "".join(row.get(key, "").ljust(width) for key, width in JOB_COLUMNS)


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
