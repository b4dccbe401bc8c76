"""The command df: how full the storages are, and whether what is on them is what was stored."""

from sqlalchemy import Connection, func, select

from headless.grid.serve.arguments import parse_arguments
from headless.grid.serve.call import Call, Command, Rows
from headless.grid.serve.schema import replicas
from headless.grid.serve.storage_commands import SHOWN, describe_stores, require_store

__all__ = ["COMMANDS"]

HEADING = f"{'Storage':<28} {'Size':>16} {'Used':>16} {'Avail':>16} {'Use%':>5} {'Files':>10} {'Broken':>7}"


async def _df(call: Call) -> Rows:
    words = parse_arguments(call.options).require_words(0)
    wanted = {(await require_store(call, word)).name for word in words}
    broken = await call.grid.catalogue.read(_count_broken)
    rows = [row for row in await describe_stores(call) if not wanted or row["seName"] in wanted]
    return [{"message": HEADING}, *[_show(row, broken.get(row["seName"], 0)) for row in rows]]


def _count_broken(connection: Connection) -> dict[str, int]:
    query = select(replicas.c.storage, func.count()).where(replicas.c.fault != "").group_by(replicas.c.storage)
    return dict(connection.execute(query).all())


def _show(row: dict[str, str], broken: int) -> dict[str, str]:
    size, used, free = (int(row[name]) for name in ("totalSpace", "usedSpace", "freeSpace"))
    percent = f"{100 * (size - free) / size:.0f}%" if size else "-"
    shown = f"{row['seName']:<28} {size:>16} {used:>16} {free:>16} {percent:>5} {row['fileCount']:>10} {broken:>7}"
    return {**row, "broken": str(broken), "message": shown + SHOWN[row["status"]]}


COMMANDS = {
    "df": Command(
        _df,
        "df [SE...]: how full the storages are, in bytes\n  Used: by this grid's files; Use%: by whatever is there;"
        "\n  Broken: replicas that are missing, or are not what was stored"
        "\n  away: it takes no connections, or its disk is gone; nobody knows its size then"
        "\n  read-only: its disk takes no files",
    )
}
