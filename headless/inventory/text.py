"""The text format ``version: 1``, as pakiti-client 3 and the WLCG package reporter write it.

Headers, a name and a value on a line, between lines of ``#``; then the packages, a line each, name, version and
architecture with tabs between, in the order of their bytes; and a last ``#``. What the format has no header for travels
in headers of our own, which the existing collectors pass over: ``count``, ``interval``, ``machine``, ``made``,
``missing``, ``os_id``, ``os_version``, ``sha256``. Packages of one package manager only can be told: others are told to
be missing.
"""

import sys
import time
from calendar import timegm
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256

from headless.inventory.gather.files import decode
from headless.inventory.lines import HEADERS, OWN_HEADERS, PACKAGERS, TIME_FORMAT, build_text
from headless.inventory.package import Package
from headless.inventory.report import BadReport, Missing, Report

__all__ = ["LineReader", "parse_text", "read_line", "write_text"]

LineReader = Callable[[str, bytes], Package]
"""Reads a package's line, as :func:`read_line` does; who reads many reports may remember what was read."""


def write_text(report: Report, *, plain: bool = False) -> bytes:
    """Write a report.

    Args:
        report: of whose packages those of the first kind in ``PACKAGERS`` that it has any of are written.
        plain: without headers of our own: byte for byte what pakiti-client 3 writes.
    """
    facts = {name: str(getattr(report, name)) for name in (*HEADERS, *OWN_HEADERS)}
    missing = [(entry.source, entry.reason) for entry in report.missing]
    return build_text(facts, report.packages, missing, made=report.made, interval=report.interval, plain=plain)


def read_line(packager: str, line: bytes) -> Package:
    """Read a package's line.

    Raises:
        BadReport: it is none.
    """
    fields = decode(line).split("\t")
    if len(fields) != 3 or not fields[0] or not fields[1]:
        raise BadReport("a package is a name, a version and an architecture, with tabs between")
    name, version, arch = fields
    # There are few architectures: one text each for all packages.
    return Package(packager, name, _write_epoch(version) if packager == "rpm" else version, sys.intern(arch))


def parse_text(data: bytes, read: LineReader = read_line) -> Report:
    """Read a report; the line ends of any system, UTF-8 or Latin-1.

    Args:
        data: all of it.
        read: reads each package.

    Raises:
        BadReport: it is none, it is cut short, or its count or sum does not match.
    """
    if b"\0" in data:
        raise BadReport("a NUL byte in the text")
    if not data.startswith((b"#\n", b"#\r\n")):
        raise BadReport("no report: " + ("it does not begin with a line of '#'" if data.strip() else "it is empty"))
    lines = data.replace(b"\r\n", b"\n").split(b"\n")
    while lines and not lines[-1].strip():
        lines.pop()
    ends = [number for number, line in enumerate(lines) if line == b"#"]
    if len(ends) < 3 or ends[2] != len(lines) - 1:
        raise BadReport("cut short: the '#' that closes the list of packages is not there")
    headers, missing = _parse_headers(lines[1 : ends[1]])
    body = lines[ends[1] + 1 : ends[2]]
    _check_sum(headers, body)
    packager = headers.get("packager", "rpm")
    if packager not in PACKAGERS:
        raise BadReport(f"packager {packager!r} is not known")
    if not headers.get("host"):
        raise BadReport("no header 'host'")
    return Report(
        packages=tuple(_parse_packages(read, packager, body, ends[1] + 2)),
        made=_parse_time(headers.get("made", "")),
        interval=_parse_number("interval", headers.get("interval", "0")),
        missing=tuple(missing),
        **{name: headers.get(name, "") for name in (*HEADERS, *OWN_HEADERS)},
    )


def _parse_headers(lines: Sequence[bytes]) -> tuple[dict[str, str], list[Missing]]:
    headers: dict[str, str] = {}
    missing: list[Missing] = []
    for line in lines:
        name, colon, value = decode(line).partition(":")
        name, value = name.strip(), value.strip()
        if not colon:
            raise BadReport(f"a header without a colon: {name[:60]!r}")
        if name == "missing":
            source, _, reason = value.partition(":")
            missing.append(Missing(source.strip(), reason.strip()))
        elif headers.setdefault(name, value) != value:
            raise BadReport(f"two headers {name[:60]!r} that differ")
    if headers.get("version") != "1":
        raise BadReport("no header 'version: 1'")
    return headers, missing


def _parse_packages(read: LineReader, packager: str, lines: Sequence[bytes], first: int) -> Iterator[Package]:
    number = first
    try:
        for number, line in enumerate(lines, first):  # noqa: B007  # told if it fails
            yield read(packager, line)
    except BadReport as exc:
        raise BadReport(f"line {number}: {exc}") from None


def _write_epoch(version: str) -> str:
    """rpm's version with its epoch: the older clients leave it out, or write "(none)"."""
    epoch, colon, rest = version.partition(":")
    if not colon:
        return "0:" + version
    return version if epoch.isdigit() else "0:" + rest


def _check_sum(headers: dict[str, str], body: Sequence[bytes]) -> None:
    if "count" in headers and _parse_number("count", headers["count"]) != len(body):
        raise BadReport(f"{len(body)} packages, and the report says {headers['count']}")
    if "sha256" in headers and sha256(b"".join(line + b"\n" for line in body)).hexdigest() != headers["sha256"]:
        raise BadReport("the packages do not match the report's sum (sha256)")


def _parse_number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise BadReport(f"header {name!r}: {text[:60]!r} is no number")
    return int(text)


def _parse_time(text: str) -> int:
    if not text:
        return 0
    try:
        return timegm(time.strptime(text, TIME_FORMAT))
    except ValueError:
        raise BadReport(f"header 'made': {text[:60]!r} is no time like 2026-01-31T04:05:06Z") from None
