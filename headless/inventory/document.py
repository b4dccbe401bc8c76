"""The format ``json``: all that a report holds, for what the text format cannot tell.

One object: ``"format": "headless-inventory"``, ``"version": 1``, the report's own attributes by their names,
``packages`` as lists of the six fields of a package, ``missing`` as objects, and what the packages must come to:
``count``, how many are listed, and ``sha256``, of their canonical lines.
"""

import json
from collections.abc import Mapping
from typing import Any

from headless.inventory.package import KINDS, Package, canonical_lines, digest
from headless.inventory.report import BadReport, Missing, Report

__all__ = [
    "FORMAT",
    "build_report",
    "check_sum",
    "is_clean",
    "parse_document",
    "read_object",
    "read_objects",
    "read_text",
    "write_document",
]

FORMAT = "headless-inventory"
TEXTS = ("host", "site", "tag", "machine", "system", "os_id", "os_version", "kernel", "arch", "cpu")
NUMBERS = ("made", "interval")
LONGEST = 2**53  # beyond it JSON's readers disagree on a number


def write_document(report: Report) -> bytes:
    """Write a report: one line of ASCII, and its end."""
    body: dict[str, Any] = {"format": FORMAT, "version": 1}
    body |= {name: getattr(report, name) for name in (*TEXTS, *NUMBERS)}
    body["count"] = len(report.packages)
    body["sha256"] = digest(canonical_lines(report.packages)).hex()
    body["packages"] = [list(package) for package in report.packages]
    body["missing"] = [{"source": entry.source, "reason": entry.reason} for entry in report.missing]
    return json.dumps(body, separators=(",", ":")).encode() + b"\n"


def parse_document(body: Mapping[str, Any]) -> Report:
    """Read a report from its JSON value.

    Raises:
        BadReport: a value is not what it must be, or the count or the sum does not match.
    """
    if body.get("version") != 1:
        raise BadReport(f"version {str(body.get('version'))[:20]!r} of the format is not known")
    listed = body.get("packages")
    if not isinstance(listed, list):
        raise BadReport("no list 'packages'")
    packages = tuple(_parse_package(number, fields) for number, fields in enumerate(listed))
    return build_report(body, packages, tuple(_parse_missing(body.get("missing", []))))


def build_report(body: Mapping[str, Any], packages: tuple[Package, ...], missing: tuple[Missing, ...]) -> Report:
    """Build a report of its packages and the other attributes, by their names.

    Raises:
        BadReport: an attribute is not what it must be, or the count or the sum does not match.
    """
    values: dict[str, Any] = {name: read_text(body, name) for name in TEXTS}
    if not values["host"]:
        raise BadReport("no host is named")
    check_sum(body, packages)
    values |= {name: _read_number(body, name) for name in NUMBERS}
    return Report(packages=packages, missing=missing, **values)


def check_sum(body: Mapping[str, Any], packages: tuple[Package, ...]) -> None:
    """Check the packages against ``count`` and ``sha256``, where there are such.

    Raises:
        BadReport: one does not match.
    """
    count, told = body.get("count"), body.get("sha256")
    if count is not None and count != len(packages):
        raise BadReport(f"{len(packages)} packages, and the report says {str(count)[:20]}")
    if told is not None and told != digest(canonical_lines(packages)).hex():
        raise BadReport("the packages do not match the report's sum (sha256)")


def read_text(body: Mapping[str, Any], name: str) -> str:
    """Read a text that may be left out.

    Raises:
        BadReport: it is no text, or has a character that cannot be shown in a line.
    """
    value = body.get(name, "")
    if not isinstance(value, str) or not is_clean(value):
        raise BadReport(f"{name!r} is no line of text")
    return value.strip()


def read_object(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Read an object that may be left out.

    Raises:
        BadReport: it is none.
    """
    value = body.get(name) or {}
    if not isinstance(value, dict):
        raise BadReport(f"{name!r} is no object")
    return value


def read_objects(body: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Read a list of objects that may be left out.

    Raises:
        BadReport: it is none.
    """
    value = body.get(name) or []
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise BadReport(f"{name!r} is no list of objects")
    return value


def _read_number(body: Mapping[str, Any], name: str) -> int:
    value = body.get(name, 0)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < LONGEST:
        raise BadReport(f"{name!r} is no number of seconds")
    return value


def _parse_package(number: int, fields: Any) -> Package:
    if not isinstance(fields, list) or not 3 <= len(fields) <= 6:
        raise BadReport(f"package {number}: no list of kind, name, version, arch, source and source version")
    if not all(isinstance(field, str) and is_clean(field) for field in fields):
        raise BadReport(f"package {number}: a field is no line of text")
    package = Package(*fields)
    if package.kind not in KINDS or not package.name or not package.version:
        raise BadReport(f"package {number}: a kind of {', '.join(KINDS)}, a name and a version must be there")
    return package


def _parse_missing(listed: Any) -> list[Missing]:
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise BadReport("'missing' is no list of objects")
    return [Missing(read_text(entry, "source"), read_text(entry, "reason")) for entry in listed]


def is_clean(text: str) -> bool:
    """Whether it is text, without what would end a line or a field: surrogates are printable to nobody either."""
    return text.isprintable() or not any(
        letter < " " or "\x7f" <= letter < "\xa0" or "\ud800" <= letter < "\ue000" for letter in text
    )
