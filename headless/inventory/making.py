"""Making a report: gathered, or one that is there already; written in a format, signed and sealed."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from headless.errors import ParameterError
from headless.inventory.cyclonedx import write_bom
from headless.inventory.document import write_document
from headless.inventory.formats import parse_report
from headless.inventory.gather.files import tidy
from headless.inventory.gather.rows import Gathered
from headless.inventory.glpi import is_compressed
from headless.inventory.package import Package
from headless.inventory.report import BadReport, Missing, Report
from headless.inventory.text import write_text

if sys.platform == "win32":
    raise ImportError("reports are made on POSIX systems only")

from headless.inventory.gather.everything import gather

__all__ = ["Wanted", "build_report", "make_report", "rewrite_report"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What kind of report.

    Attributes:
        site, tag, interval: as a report has them.
        host: the host's name; empty: to be found out.
        root: the folder that holds the system to look at; empty for this machine's own.
        folders: more folders of Python distributions.
        form: "text", "json" or "cyclonedx".
        plain: just as pakiti-client makes it.
    """

    site: str
    tag: str = ""
    interval: int = 0
    host: str = ""
    root: str = ""
    folders: Sequence[str] = ()
    form: str = "text"
    plain: bool = False


def make_report(wanted: Wanted) -> tuple[bytes, list[str]]:
    """Gather and write; return the report, and a line for each source that could not be read.

    Raises:
        ParameterError: there is nothing to report.
    """
    gathered = gather(wanted.root.rstrip("/"), wanted.host, list(wanted.folders), plain=wanted.plain)
    if not gathered.rows and not gathered.missing:
        where = f"below {wanted.root}" if wanted.root else "on this machine"
        raise ParameterError(f"nothing to report: no list of rpm, dpkg, apk or Python packages was found {where}")
    report = build_report(gathered, wanted, int(time.time()))
    warnings = [f"{entry.source} could not be read, and the report says so: {entry.reason}" for entry in report.missing]
    return _write(report, wanted), warnings


def build_report(gathered: Gathered, wanted: Wanted, made: int) -> Report:
    """A report of what was gathered."""
    facts: dict[str, Any] = dict(gathered.facts)
    return Report(
        packages=tuple(Package(*row) for row in gathered.rows),
        missing=tuple(Missing(source, reason) for source, reason in gathered.missing),
        site=tidy(wanted.site),
        tag=tidy(wanted.tag),
        made=made,
        interval=wanted.interval,
        **facts,
    )


def rewrite_report(data: bytes, wanted: Wanted) -> bytes:
    """A report that is there already, under the site and tag that are wanted; as it is, if none is.

    Raises:
        ParameterError: it is none, or is sealed or signed.
    """
    from headless.inventory.seal import is_sealed, is_signed

    if is_sealed(data) or is_signed(data):
        if wanted.site or wanted.tag or wanted.host:
            raise ParameterError("the report is sealed or signed: its site, tag and host cannot be changed")
        return data
    try:
        report = parse_report(data)
    except BadReport as exc:
        raise ParameterError(f"the report is not sent, it cannot be believed: {exc}") from exc
    told = {name: tidy(getattr(wanted, name)) for name in ("site", "tag", "host")}
    changes: dict[str, Any] = {name: value for name, value in told.items() if value}
    if not changes:
        return data
    if is_compressed(data) or data.lstrip()[:1] == b"{":
        return _write(replace(report, **changes), replace(wanted, form=_find_form(data)))
    return _change_headers(data, changes)


def _change_headers(data: bytes, changes: dict[str, str]) -> bytes:
    """Line by line: what else another tool has written into its report stays as it is."""
    _, head, body = data.replace(b"\r\n", b"\n").split(b"#\n", 2)
    lines = [line for line in head.splitlines() if line.partition(b":")[0].strip().decode("latin-1") not in changes]
    lines += [f"{name}: {value}".encode() for name, value in changes.items()]
    return b"#\n" + b"".join(line + b"\n" for line in sorted(lines)) + b"#\n" + body


def _find_form(data: bytes) -> str:
    return "cyclonedx" if b'"bomFormat"' in data else "json"


def _write(report: Report, wanted: Wanted) -> bytes:
    if wanted.form == "json":
        return write_document(report)
    return write_bom(report) if wanted.form == "cyclonedx" else write_text(report, plain=wanted.plain)
