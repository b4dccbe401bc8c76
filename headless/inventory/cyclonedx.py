"""The format ``cyclonedx``: a bill of materials as CycloneDX 1.5 JSON, written and read; and syft's own JSON, read.

What CycloneDX has no place for stands in properties named ``headless:...``: so a report that was written here is read
whole, and one of another tool as far as it goes.
"""

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

from headless.inventory.document import TEXTS, build_report, read_object, read_objects
from headless.inventory.lines import TIME_FORMAT
from headless.inventory.package import Package, canonical_lines, digest
from headless.inventory.purl import build_purl, parse_purl
from headless.inventory.report import BadReport, Missing, Report

__all__ = ["parse_bom", "parse_syft", "write_bom"]

PREFIX = "headless:"
UNTOLD = (*TEXTS[1:], "interval")  # the host and the time have places of CycloneDX


def write_bom(report: Report) -> bytes:
    """Write a report."""
    properties = [(name, str(getattr(report, name) or "")) for name in UNTOLD]
    properties += [("count", str(len(report.packages))), ("sha256", digest(canonical_lines(report.packages)).hex())]
    properties += [("missing", f"{entry.source}: {entry.reason}") for entry in report.missing]
    metadata: dict[str, Any] = {"component": {"type": "device", "name": report.host}}
    if report.made:
        metadata["timestamp"] = time.strftime(TIME_FORMAT, time.gmtime(report.made))
    metadata["properties"] = [{"name": PREFIX + name, "value": value} for name, value in properties if value]
    body = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": metadata,
        "components": [_build_component(package, report.os_id) for package in report.packages],
    }
    return json.dumps(body, separators=(",", ":")).encode() + b"\n"


def parse_bom(body: Mapping[str, Any]) -> Report:
    """Read a report from the JSON value of a bill of materials.

    Raises:
        BadReport: it does not say of which host it is, or its count or sum does not match.
    """
    metadata = read_object(body, "metadata")
    component = read_object(metadata, "component")
    told: dict[str, Any] = {"host": component.get("name", "")}
    missing: list[Missing] = []
    for entry in [*read_objects(metadata, "properties"), *read_objects(component, "properties")]:
        name, value = str(entry.get("name", "")), str(entry.get("value", ""))
        if name == PREFIX + "missing":
            source, _, reason = value.partition(": ")
            missing.append(Missing(source, reason))
        elif name.startswith(PREFIX):
            told[name.removeprefix(PREFIX)] = value
    for name in ("interval", "count"):
        if name in told:
            told[name] = _parse_number(name, told[name])
    told["made"] = _parse_time(str(metadata.get("timestamp", "")))
    packages, untold = _parse_components(read_objects(body, "components"))
    return build_report(told, packages, (*missing, *untold))


def parse_syft(body: Mapping[str, Any]) -> Report:
    """Read a report from the JSON value that ``syft -o syft-json`` writes.

    Raises:
        BadReport: it does not say of what it is.
    """
    source, distro = read_object(body, "source"), read_object(body, "distro")
    packages, untold = _parse_components(read_objects(body, "artifacts"))
    told = {
        "host": source.get("name") or source.get("id") or "",
        "system": distro.get("prettyName") or "",
        "os_id": distro.get("id") or "",
        "os_version": distro.get("versionID") or "",
    }
    return build_report(told, packages, untold)


def _build_component(package: Package, os_id: str) -> dict[str, str]:
    purl = build_purl(package, os_id)
    return {"type": "library", "name": package.name, "version": package.version, "purl": purl, "bom-ref": purl}


def _parse_components(components: Iterable[Mapping[str, Any]]) -> tuple[tuple[Package, ...], tuple[Missing, ...]]:
    packages, without = [], 0
    for component in components:
        if component.get("type") in ("file", "operating-system", "device"):
            continue
        purl, name, version = (str(component.get(key) or "") for key in ("purl", "name", "version"))
        package = parse_purl(purl) if purl else Package("other", name, version)
        if not package.name or not package.version:
            without += 1
            continue
        packages.append(package)
    if any(letter < " " for package in packages for letter in "".join(package)):
        raise BadReport("a component with a control character in its name or version")
    untold = (Missing("other", f"{without} components without a name or a version"),) if without else ()
    return tuple(packages), untold


def _parse_number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise BadReport(f"{PREFIX}{name}: {text[:60]!r} is no number")
    return int(text)


def _parse_time(text: str) -> int:
    """The time of another tool's list may have fractions and a zone; one without a zone is taken for UTC."""
    from datetime import UTC, datetime  # who writes a list need not wait for it

    try:
        moment = datetime.fromisoformat(text) if text else datetime.fromtimestamp(0, UTC)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        raise BadReport(f"timestamp {text[:60]!r} is no time like 2026-01-31T04:05:06Z") from None
