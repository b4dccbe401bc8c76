"""Questions to storage itself, without the grid's server in between: ``xrd_ping``, ``xrd_config``, ``xrd_stats``."""

import json
import time
from collections.abc import Iterator
from typing import Any

from headless.grid.errnos import EINVAL, EPROTO
from headless.grid.messages import GridError, Reply
from headless.grid.shell.options import Words, read_number, read_words
from headless.grid.shell.shell import Shell
from headless.grid.shell.storage import find_storages

__all__ = ["ping", "raise_failed", "set_up", "show_configuration", "show_statistics"]

LIMIT_S = 5
BRIEF = ("version", "tpc", "role", "cms", "sitename")
LONG = ("chksum", "bind_max", "pio_max", "window", "wan_window", "wan_port", "readv_ior_max", "readv_iov_max")


def ping(shell: Shell, name: str, args: list[str]) -> Reply:
    """``xrd_ping``: how long storages take to answer."""
    words = read_words(name, args, (), ("-c",))
    count = read_number(name, "-c", words.last("-c", "3"), 1, 1000)
    rows: list[dict[str, str]] = [{"message": f"XRootD ping(s): {count} time(s) to:"}]
    code, error = 0, ""
    for storage, server in _find(shell, name, words):
        try:
            times = _measure(server, count)
            mean = sum(times) / count
            spread = (sum((each - mean) ** 2 for each in times) / max(count - 1, 1)) ** 0.5
            values = {"min": min(times), "avg": mean, "max": max(times), "mdev": spread}
            numbers = {key: f"{value:.3f}" for key, value in values.items()}
            text = f"rtt min/avg/max/mdev (ms) = {'/'.join(numbers.values())}"
            rows.append({"seName": storage, "server": server, **numbers, "message": f"{storage: <32} {text}"})
        except GridError as exc:
            code, error = exc.exit_code, f"{storage}: {exc}"
            rows.append({"seName": storage, "server": server, "error": str(exc), "message": f"{storage: <32} {exc}"})
    return shell.answer(*rows, code=code, error=error)


def show_configuration(shell: Shell, name: str, args: list[str]) -> Reply:
    """``xrd_config``: version, role and limits of storages."""
    words = read_words(name, args, ("-v", "-verbose", "-a", "-all"))
    is_long = bool(words.flags & {"-v", "-verbose"})
    rows: list[dict[str, str]] = []
    code, error = 0, ""
    for storage, server in _find(shell, name, words):
        try:
            values = _configuration(server)
        except GridError as exc:
            code, error = exc.exit_code, f"{storage}: {exc}"
            continue
        site = values["sitename"] if values["sitename"] != "NOT_SET" else storage
        values = {**values, "sitename": site, "seName": storage, "endpointUrl": server}
        rows.append({**values, "message": _write_configuration(values, is_long=is_long)})
    return shell.answer(*rows, code=code, error=error)


def show_statistics(shell: Shell, name: str, args: list[str]) -> Reply:
    """``xrd_stats``: what storages count, as JSON or in their own XML."""
    words = read_words(name, args, ("-xml", "-xmlraw", "-compact", "-a", "-all"))
    rows: list[dict[str, str]] = []
    code, error = 0, ""
    for storage, server in _find(shell, name, words):
        try:
            text = _query(server, "STATS", "a")
            rows.append({"seName": storage, "endpointUrl": server, **_read_statistics(text, words, storage, server)})
        except GridError as exc:
            code, error = exc.exit_code, f"{storage}: {exc}"
    return shell.answer(*rows, code=code, error=error)


def set_up() -> Any:
    """XRootD's client, with the settings that copying has.

    Raises:
        ParameterError: it is not installed.
    """
    from headless.grid.copy.storage import set_up_client
    from headless.grid.copy.values import CopyOptions

    set_up_client(CopyOptions())
    from XRootD import client

    return client


def raise_failed(status: Any) -> None:
    """Raises:
    GridError: the storage has refused, or is gone.
    """
    if not status.ok:
        from headless.grid.copy.errnos import find_errno

        raise GridError(find_errno(status.code, status.errno), " ".join(str(status.message).split()))


def _find(shell: Shell, name: str, words: Words) -> Iterator[tuple[str, str]]:
    """Name and server of each storage that is meant; what the grid does not know is taken for a server.

    Raises:
        GridError: none is given.
    """
    set_up()
    if words.flags & {"-a", "-all"}:
        words.rest.append("")
    if not words.rest:
        raise GridError(EINVAL, f"{name}: give storage elements, by name, number or HOST[:PORT]")
    for word in words.rest:
        server = word.removeprefix("root://").rstrip("/")
        try:
            found = [] if word != server or ":" in server.replace("::", "") else find_storages(shell, word)
        except GridError:
            found = []
        yield from ((row["seName"], row["server"]) for row in found)
        if not found:
            yield server, server


def _measure(server: str, count: int) -> list[float]:
    """Milliseconds of each round trip; the first one, which connects, is not among them."""
    system, times = _open(server), []
    for _ in range(count + 1):
        began = time.perf_counter()
        status, _ = system.ping(timeout=LIMIT_S)
        raise_failed(status)
        times.append((time.perf_counter() - began) * 1000)
    return times[1:]


def _configuration(server: str) -> dict[str, str]:
    """What it does not know, it answers with the question."""
    answers = {key: _query(server, "CONFIG", key) for key in (*BRIEF, *LONG)}
    return {key: "NOT_SET" if value in (key, "") else value for key, value in answers.items()}


def _write_configuration(values: dict[str, str], *, is_long: bool) -> str:
    text = (
        f"Site/XrdVer: {values['sitename']}/{values['version']} ; TPC status: {values['tpc']} ; role: {values['role']}"
        f" ; CMS: {values['cms']}"
    )
    if not is_long:
        return text
    return (
        f"{text}\nChksum type: {values['chksum']} ; Bind max: {values['bind_max']} ; PIO max: {values['pio_max']} ; "
        f"Window/WAN window: {values['window']}/{values['wan_window']} ; "
        f"readv_{{ior,iov}}_max: {values['readv_ior_max']}/{values['readv_iov_max']}"
    )


def _query(server: str, kind: str, what: str) -> str:
    from XRootD.client.flags import QueryCode

    status, answer = _open(server).query(getattr(QueryCode, kind), what, timeout=LIMIT_S)
    raise_failed(status)
    return bytes(answer or b"").rstrip(b"\x00").decode("utf-8", "replace").strip()


def _open(server: str) -> Any:
    return set_up().FileSystem(f"root://{server}/?xrd.wantprot=unix")


def _read_statistics(text: str, words: Words, storage: str, server: str) -> dict[str, str]:
    import xml.etree.ElementTree as ElementTree

    is_compact = "-compact" in words.flags
    try:
        root = ElementTree.fromstring(text)  # noqa: S314  # expat itself refuses what would grow without end
    except ElementTree.ParseError as exc:
        raise GridError(EPROTO, "the storage's answer is no XML") from exc
    if words.flags & {"-xml", "-xmlraw"}:
        if "-xmlraw" not in words.flags and not is_compact:
            ElementTree.indent(root)
        return {"message": text if "-xmlraw" in words.flags else ElementTree.tostring(root, "unicode")}
    tree = {**_read_element(root), "seName": storage, "endpointUrl": server}
    tree["site"] = storage if tree.get("site") in (None, "", "NOT_SET") else tree["site"]
    separators = (",", ":") if is_compact else None
    whole = json.dumps(tree, indent=None if is_compact else 2, separators=separators)
    return {"statistics": json.dumps(tree), "message": whole}


def _read_element(element: Any) -> dict[str, Any]:
    """Attributes and children by name; ``stats`` with an id by that."""
    tree: dict[str, Any] = {name: value for name, value in element.attrib.items() if name != "id"}
    for child in element:
        value = _read_element(child) if len(child) or child.attrib else (child.text or "")
        if child.tag == "stats" and "id" in child.attrib:
            tree.setdefault("stats", {})[child.attrib["id"]] = value
        else:
            tree[child.tag] = value
    return tree
