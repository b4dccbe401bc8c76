"""Storage elements, and where a file's replicas are."""

from urllib.parse import urlsplit

from headless.grid.errnos import ENOENT
from headless.grid.messages import GridError, Reply, Row
from headless.grid.shell.shell import Shell

__all__ = ["find_storages", "show_classes", "show_pfns", "show_storages"]

STATUS = {"offline": "  away", "read-only": "  read-only"}  # a server may tell none
SELECTED = {"-id": "seNumber", "-name": "seName", "-srv": "server"}


def show_pfns(shell: Shell, name: str, args: list[str]) -> Reply:
    """``pfn``: only the replicas' addresses."""
    lfns = [word if word.startswith("-") else shell.resolve(word) for word in args]
    rows = shell.query("whereis", "-r", *lfns).rows
    return shell.answer(*[{**row, "message": row["pfn"]} for row in rows if "pfn" in row])


def show_storages(shell: Shell, name: str, args: list[str]) -> Reply:
    """``getSE``: all of them, or those that a part of a name, a number or a server fits."""
    selected = next((SELECTED[word] for word in args if word in SELECTED), "")
    wanted = [word for word in args if word not in SELECTED]
    found = find_storages(shell, wanted[-1] if wanted else "")
    is_number = bool(wanted) and wanted[-1].isdecimal()
    rows = []
    for row in found:
        number = "" if is_number else f"{row['seNumber']: <6}"
        line = f"{number}{row['seName']: <32}{row['server']}{STATUS.get(row.get('status', ''), '')}"
        rows.append({**row, "message": row[selected] if selected else line})
    return shell.answer(*rows)


def show_classes(shell: Shell, name: str, args: list[str]) -> Reply:
    """``SEqos``."""
    rows = [row for word in args for row in find_storages(shell, word)]
    return shell.answer(*[{**row, "message": f"{row['seName']: <32}{row.get('qos', '')}"} for row in rows])


def find_storages(shell: Shell, wanted: str) -> list[dict[str, str]]:
    keys = ("seNumber", "seName", "endpointUrl")
    rows = [{**dict.fromkeys(keys, ""), **row} for row in shell.query("listSEs").rows]
    found = [
        {**row, "server": urlsplit(row["endpointUrl"]).netloc} for row in rows if _fits(row, wanted.casefold(), keys)
    ]
    if wanted and not found:
        raise GridError(ENOENT, f">{wanted}< label(s) not found in SE list")
    return found


def _fits(row: Row, wanted: str, keys: tuple[str, ...]) -> bool:
    if wanted.isdecimal():
        return wanted in row["seNumber"]
    return any(wanted in row[key].casefold() for key in keys)
