"""``ccdb``: objects of ALICE's conditions database, looked up, and fetched from the grid."""

import json
import os
import re
import shlex
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from headless.grid.errnos import EINVAL, ENOENT, EPROTO
from headless.grid.messages import GridError, Reply
from headless.grid.shell.options import Words, read_number, read_words
from headless.grid.shell.shell import Shell
from headless.grid.shell.web import build_url, fetch_json

__all__ = ["query"]

SERVICE = "http://alice-ccdb.cern.ch"
FLAGS = ("-history", "-unixtime", "-get", "-report")
OPTIONS = ("-host", "-run", "-objtime", "-limit", "-dst", "-header")
HEADER = f"Filename{' ' * 39}Type{' ' * 24}ValidFrom{' ' * 10}ValidUntil{' ' * 10}Lifetime(ms)"
MOMENT = re.compile(r"\d{13}")  # milliseconds since 1970

Object = dict[str, Any]


def query(shell: Shell, name: str, args: list[str]) -> Reply:
    """List what fits, report sizes, or download it."""
    words = read_words(name, args, FLAGS, OPTIONS, most=1)
    if not words.rest:
        raise GridError(EINVAL, "ccdb: give a query: TASK/DETECTOR/... [/TIME] [/KEY=VALUE]; / is all")
    answer = _ask(shell, words, _build_path(shell, words))
    if "-report" in words.flags:
        return _report(shell, answer)
    objects = [_tidy(found) for found in _read_list(answer, "objects") if isinstance(found, dict)]
    if "-get" in words.flags:
        return _get(shell, objects, words.last("-dst", "."))
    if shell.output.format != "text":
        return shell.answer(*[{key: _text(value) for key, value in found.items()} for found in objects])
    lines = [_write(found, is_raw="-unixtime" in words.flags) for found in objects]
    folders = [f"{folder}/" for folder in _read_list(answer, "subfolders")]
    return shell.answer(*folders, *([HEADER, *lines] if lines else []))


def _ask(shell: Shell, words: Words, path: str) -> Object:
    limit = read_number("ccdb", "-limit", words.last("-limit", "10"), 1, 1_000_000)
    headers = {"Accept": "application/json", "Browse-Limit": str(limit)}
    for text in words.values.get("-header", []):
        key, colon, value = text.partition(":")
        if not colon or not re.fullmatch(r"[\w-]+", key.strip()) or not value.isprintable():
            raise GridError(EINVAL, f"ccdb -header: {text!r} is of no use: give 'NAME: VALUE'")
        headers[key.strip()] = value.strip()
    return fetch_json(build_url(words.last("-host", SERVICE), path), shell.settings.timeout_s, headers)


def _build_path(shell: Shell, words: Words) -> str:
    """Path, time, conditions: in the order that the service wants."""
    parts = words.rest[0].replace(".*", "").replace("*", "").split("/")
    moments = [part for part in parts if MOMENT.fullmatch(part)] + words.values.get("-objtime", [])
    if len(moments) + len(words.values.get("-run", [])) > 1:
        raise GridError(EINVAL, "ccdb: give only one time: in the query, with -objtime, or with -run")
    if moments and not MOMENT.fullmatch(moments[0]):
        raise GridError(EINVAL, f"ccdb -objtime: {moments[0]!r} is no time in milliseconds since 1970: give 13 digits")
    if "-run" in words.values:
        moments = [_find_start(shell, words)]
    conditions = [part for part in parts if "=" in part]
    places = [part for part in parts if part and "=" not in part and not MOMENT.fullmatch(part)]
    is_browsed = words.flags & {"-history", "-report"}
    path = "/".join(["browse" if is_browsed else "latest", *places, *moments, *conditions])
    path += "/" * (words.rest[0].endswith(("/", "/*")) and not (moments or conditions))
    return path + ("?report=true" if "-report" in words.flags else "")


def _find_start(shell: Shell, words: Words) -> str:
    run = read_number("ccdb", "-run", words.last("-run"), 1, 10**9)
    headers = {"Accept": "application/json", "Browse-Limit": "99"}
    url = build_url(words.last("-host", SERVICE), f"latest/RCT/Info/RunInformation/{run}")
    found = _read_list(fetch_json(url, shell.settings.timeout_s, headers), "objects")
    start = str(found[0].get("SOR", "")) if found and isinstance(found[0], dict) else ""
    if not MOMENT.fullmatch(start):
        raise GridError(ENOENT, f"ccdb -run: the database does not know when run {run} began")
    return start


def _tidy(found: Object) -> Object:
    """With the name that the file is to have, and how long it is valid."""
    shown = str(found.get("Content-Disposition", "")).replace("inline;filename=", "").strip('" ')
    start, end = (_read_ms(found.get(key)) for key in ("Valid-From", "Valid-Until"))
    name = (shown or str(found.get("fileName", ""))).replace("::", "-").strip()
    return {**found, "filename": name, "Lifetime": str(end - start)}


def _read_ms(value: Any) -> int:
    if not re.fullmatch(r"\d{1,18}", str(value)):
        raise GridError(EPROTO, "ccdb: an object of the answer has no Valid-From or Valid-Until")
    return int(value)


def _write(found: Object, *, is_raw: bool) -> str:
    times = [str(found[key]) for key in ("Valid-From", "Valid-Until")]
    shown = times if is_raw else [_date(int(text)) for text in times]
    kind = found.get("ObjectType", "TYPE NOT FOUND")
    return f'{found["filename"]}  {kind}  "{shown[0]}"  "{shown[1]}"  {found["Lifetime"]}'


def _date(milliseconds: int) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S%z", time.localtime(milliseconds // 1000))
    except (OverflowError, ValueError, OSError):
        return str(milliseconds)  # the end of time


def _report(shell: Shell, answer: Object) -> Reply:
    keys = ("ownFiles", "ownSize", "filesInSubfolders", "sizeOfSubfolders")
    rows = []
    for folder in _read_list(answer, "subfolders"):
        if isinstance(folder, dict):
            row = {key: str(folder.get(key, "")) for key in ("name", *keys)}
            numbers = "".join(row[key].rjust(18) for key in keys)
            rows.append({**row, "message": f"{row['name']:<40}{numbers}"})
    title = "Name".ljust(40) + "".join(key.rjust(18) for key in keys)
    return shell.answer(*([title] if shell.output.format == "text" else []), *rows)


def _get(shell: Shell, objects: Sequence[Object], folder: str) -> Reply:
    """Copy each from the grid, to its path below a folder."""
    from headless.grid.copy.naming import check_relative
    from headless.grid.shell.copying import copy

    if not objects:
        raise GridError(ENOENT, "ccdb -get: there is no such object")
    pairs = []
    names = [f"{found.get('path', '')}/{found['filename']}" for found in objects]
    for found, name in zip(objects, names, strict=True):
        lfn = next((str(place) for place in found.get("replicas") or [] if str(place).startswith("alien:")), "")
        if not lfn:
            raise GridError(ENOENT, f"ccdb -get: {name} is not on the grid")
        if names.count(name) > 1:
            stem, extension = os.path.splitext(name)
            name = f"{stem}_{str(found.get('ETag', '')).strip(chr(34))}{extension}"
        check_relative(name)
        pairs.append(f"{shlex.quote(lfn)} {shlex.quote('file:' + os.path.join(os.path.abspath(folder), name))}\n")
    with tempfile.NamedTemporaryFile("w", prefix="headless-grid-", dir=shell.settings.temporary) as file:
        file.writelines(pairs)
        file.flush()
        return copy(shell, "cp", ["-input", file.name])


def _read_list(answer: Object, key: str) -> list[Any]:
    value = answer.get(key) or []
    if not isinstance(value, list):
        raise GridError(EPROTO, f"ccdb: {key} of the answer are no list")
    return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
