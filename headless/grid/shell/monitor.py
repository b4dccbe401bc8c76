"""``queryML``: MonALISA, the monitoring of the ALICE grid."""

import json
import time
from typing import Any

from headless.grid.errnos import EINVAL, EPROTO
from headless.grid.messages import GridError, Reply, Row
from headless.grid.shell.options import read_words
from headless.grid.shell.shell import Shell
from headless.grid.shell.web import build_url, fetch, fetch_json

__all__ = ["query"]

SERVICE = "http://alimonitor.cern.ch"
KINDS = {"text": "text/plain", "xml": "text/xml", "json": "application/json"}


def query(shell: Shell, name: str, args: list[str]) -> Reply:
    """A table of what is known of a predicate; the service's own text or XML where that is asked for."""
    words = read_words(name, args, KINDS, ("-host",), most=1)
    if not words.rest:
        raise GridError(EINVAL, "queryML: give a predicate, such as /FARM/CLUSTER/NODE/PARAMETER")
    base = build_url(words.last("-host", SERVICE), "rest/" + words.rest[0].lstrip("/"))
    limit_s = shell.settings.timeout_s
    for kind in ("text", "xml"):
        if kind in words.flags and shell.output.format == "text":
            data = fetch(f"{base}?Accept={KINDS[kind]}", limit_s, {})
            return shell.answer(data.decode("utf-8", "replace").rstrip("\n"))
    found = fetch_json(f"{base}?Accept={KINDS['json']}", limit_s, {}).get("results")
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise GridError(EPROTO, f"{base}: the answer has no results")
    return _show(shell, words.rest[0], [{str(key): _text(key, value) for key, value in row.items()} for row in found])


def _show(shell: Shell, predicate: str, rows: list[Row]) -> Reply:
    if shell.output.format != "text":
        return shell.answer(*rows)
    if not rows:
        return shell.answer(f"queryML:: Empty answer from query: {predicate}")
    names = list(rows[0])  # all have the same ones
    table = [names, *([row.get(name, "") for name in names] for row in rows)]
    widths = [max(map(len, column)) + 3 for column in zip(*table, strict=True)]
    return shell.answer(*("".join(map(str.ljust, line, widths)) for line in table))


def _text(key: str, value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    if key == "Timestamp" and text[:10].isdecimal() and len(text) >= 10:
        return time.strftime("%Y-%m-%d %H:%M:%S%z", time.localtime(int(text[:10])))
    return text
