"""The inventory of GLPI's agent, as JSON (GLPI's inventory_format), as it is or compressed with zlib.

The agent tells neither epochs of rpm's packages nor source packages: what it does not tell, the report names.
"""

import re
import zlib
from collections.abc import Mapping
from typing import Any

from headless.inventory.document import build_report, is_clean, read_object, read_objects
from headless.inventory.package import Package
from headless.inventory.report import BadReport, Missing, Report

__all__ = ["inflate", "is_compressed", "is_inventory", "parse_inventory"]

KINDS = {"rpm": "rpm", "deb": "dpkg", "apk": "apk"}
SYSTEMS = {"red": "rhel", "rhel": "rhel"} | {
    name: name for name in ("almalinux", "alpine", "centos", "debian", "devuan", "fedora", "rocky", "ubuntu")
}
INFLATED_LIMIT = 32 * 1024 * 1024  # bytes: 30 times a large inventory
ZLIB_HEADS = (b"x\x01", b"x^", b"x\x9c", b"x\xda")


def is_compressed(data: bytes) -> bool:
    """Whether this begins as zlib's format does (RFC 1950)."""
    return data[:2] in ZLIB_HEADS


def inflate(data: bytes) -> bytes:
    """Take the compression off.

    Raises:
        BadReport: it is damaged, cut short, or too large once it is off.
    """
    stream = zlib.decompressobj()
    try:
        inflated = stream.decompress(data, INFLATED_LIMIT)
    except zlib.error as exc:
        raise BadReport(f"no zlib data: {exc}") from None
    if not stream.eof:
        too_large = bool(stream.unconsumed_tail)
        raise BadReport("the zlib data are too large" if too_large else "the zlib data are cut short")
    return inflated


def is_inventory(body: Mapping[str, Any]) -> bool:
    """Whether a JSON value is one of the agent's messages."""
    return "deviceid" in body and ("content" in body or "action" in body)


def parse_inventory(body: Mapping[str, Any]) -> Report:
    """Read a report from the agent's message.

    Raises:
        BadReport: it is no whole inventory, or a value is not what it must be.
    """
    if body.get("action", body.get("query", "inventory")) not in ("inventory", "INVENTORY"):
        raise BadReport("a message of GLPI's agent, and no inventory")
    if body.get("partial"):
        raise BadReport("a part of an inventory of GLPI's agent: only a whole one tells what is not there any more")
    content = read_object(body, "content")
    system, hardware = read_object(content, "operatingsystem"), read_object(content, "hardware")
    packages, missing = _parse_softwares(read_objects(content, "softwares"))
    full = _read_line(system, "fqdn")
    cpus = read_objects(content, "cpus")
    told = {
        "host": full if "." in full else _read_line(hardware, "name") or full,
        "tag": _read_tag(body, content),
        "system": _read_line(system, "full_name"),
        "os_id": SYSTEMS.get(_read_line(system, "name").lower().partition(" ")[0], ""),
        "os_version": _find_number(_read_line(system, "version")),
        "kernel": _read_line(system, "kernel_version"),
        "arch": _read_line(system, "arch"),
        "cpu": _read_line(cpus[0], "name") if cpus else "",
    }
    return build_report(told, packages, missing)


def _parse_softwares(listed: list[Mapping[str, Any]]) -> tuple[tuple[Package, ...], tuple[Missing, ...]]:
    if not listed:
        raise BadReport("an inventory of GLPI's agent without software")
    packages, without = [], 0
    for entry in listed:
        name, version = _read_line(entry, "name"), _read_line(entry, "version")
        kind = KINDS.get(_read_line(entry, "from"), "other")
        if name == "gpg-pubkey" and kind == "rpm":
            continue
        if not name or not version:
            without += 1
            continue
        has_epoch = kind != "rpm" or ":" in version
        packages.append(Package(kind, name, version if has_epoch else f"0:{version}", _read_line(entry, "arch")))
    missing = []
    if any(package.kind == "rpm" for package in packages):
        missing.append(Missing("rpm epochs", "GLPI's agent does not tell epochs: 0 stands for all"))
    if without:
        missing.append(Missing("other", f"entries without a name or a version: {without}"))
    return tuple(packages), tuple(missing)


def _read_tag(body: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    """Newer agents have it in the message itself, older ones among the account's information."""
    account = content.get("accountinfo")
    entries = account if isinstance(account, list) else [account]
    for entry in entries:
        if isinstance(entry, dict) and entry.get("keyname") == "TAG":
            return _read_line(entry, "keyvalue")
    return _read_line(body, "tag")


def _find_number(text: str) -> str:
    found = re.match(r"\d+(\.\d+)*", text)
    return found[0] if found else ""


def _read_line(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    if value is None:
        return ""
    if not isinstance(value, (str, int, float)) or isinstance(value, bool) or not is_clean(str(value)):
        raise BadReport(f"{name!r} is no line of text")
    return str(value).strip()
