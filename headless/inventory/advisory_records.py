"""Advisories as they are published: OSV's records (schema 1), and the Debian security tracker's list."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from headless.inventory.advisories import Advisories, Affected, Event
from headless.inventory.cvss import find_class, find_score
from headless.inventory.ecosystems import DEBIAN, PYPI, parse_ecosystem
from headless.inventory.json_members import iterate_values

__all__ = ["BadAdvisory", "add_records"]

EVENTS = ("introduced", "fixed", "last_affected")
TRACKER = "https://security-tracker.debian.org/tracker/"
NEITHER = "neither a record of OSV nor the Debian security tracker's list"
OF_OBJECTS = re.compile(rb'\s*\{\s*"(?!database_specific)[^"\\]*"\s*:\s*\{\s*"[^"\\]*"\s*:\s*\{')
"""How the tracker's list begins: it is read issue by issue, as it is large."""

T = TypeVar("T")


class BadAdvisory(ValueError):
    """What is no advisory; the message says why, in one line."""


def add_records(advisories: Advisories, data: bytes) -> None:
    """Add what a JSON text holds: one record of OSV, a list of them, a list under "vulns", or the tracker's.

    Raises:
        BadAdvisory: it is something else.
    """
    try:
        if OF_OBJECTS.match(data):
            _add_tracker(advisories, iterate_values(data))
        else:
            _add_value(advisories, json.loads(data))
    except RecursionError:
        raise BadAdvisory("JSON that is nested too deep") from None
    except BadAdvisory:
        raise
    except ValueError as exc:
        raise BadAdvisory(f"no JSON: {exc}") from None


def _add_value(advisories: Advisories, value: Any) -> None:
    if isinstance(value, dict) and isinstance(value.get("vulns"), list):
        value = value["vulns"]
    if isinstance(value, dict) and "id" not in value:
        _add_tracker(advisories, _iterate_issues(value))
        return
    for record in value if isinstance(value, list) else [value]:
        _add_osv(advisories, record)


def _add_osv(advisories: Advisories, record: Any) -> None:
    if not isinstance(record, dict):
        raise BadAdvisory("no advisory: an object of OSV's schema is expected")
    name = _take(record, "id", str)
    if not name or not name.isprintable() or len(name) > 200:
        raise BadAdvisory("no advisory: its 'id' is no name")
    if "withdrawn" in record:
        return
    try:
        head = Affected(name, _take_names(record), severity=_find_severity(record), link=_find_link(record))
        for affected in _take_objects(record, "affected"):
            _add_affected(advisories, head, affected)
    except BadAdvisory as exc:
        raise BadAdvisory(f"advisory {name}: {exc}") from None


def _add_affected(advisories: Advisories, head: Affected, affected: Mapping[str, Any]) -> None:
    package = _take(affected, "package", dict) or {}
    ecosystem = parse_ecosystem(_take(package, "ecosystem", str) or "")
    name = _take(package, "name", str)
    if not ecosystem or not name:
        return
    ranges = tuple(
        _take_events(item) for item in _take_objects(affected, "ranges") if _take(item, "type", str) != "GIT"
    )
    versions = _take(affected, "versions", list) or []
    if not all(isinstance(version, str) for version in versions):
        raise BadAdvisory("'versions' is no list of texts")
    # A distribution's list repeats its ranges, and is long.
    listed = frozenset(versions) if ecosystem == PYPI or not ranges else frozenset()
    severity = head.severity or _find_severity(affected)
    advisories.add(ecosystem, name, head._replace(ranges=ranges, versions=listed, severity=severity))


def _take_events(item: Mapping[str, Any]) -> tuple[Event, ...]:
    return tuple(
        Event(what, version)
        for event in _take_objects(item, "events")
        for what in EVENTS
        if (version := _take(event, what, str)) is not None
    )


def _iterate_issues(packages: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for source, issues in packages.items():
        if not isinstance(issues, dict):
            raise BadAdvisory(NEITHER)
        for name, issue in issues.items():
            yield source, name, issue


def _add_tracker(advisories: Advisories, issues: Iterable[tuple[str, str, Any]]) -> None:
    """The tracker's list: source package, issue, "releases", release: status and fixed version."""
    for source, name, issue in issues:
        if not isinstance(issue, dict) or not isinstance(issue.get("releases"), dict):
            raise BadAdvisory(NEITHER)
        known: dict[tuple[str | None, str], Affected] = {}  # most releases say the same
        for codename, release in issue["releases"].items():
            if codename in DEBIAN and (told := _read_release(source, name, release)):
                if told not in known:
                    known[told] = Affected(name, ranges=_build_ranges(told[0]), severity=told[1], link=TRACKER + name)
                advisories.add(f"Debian:{DEBIAN[codename]}", source, known[told])


def _read_release(source: str, name: str, release: Any) -> tuple[str | None, str] | None:
    """The fixed version, if there is one, and how urgent it is; ``None`` if the release is not vulnerable."""
    if not isinstance(release, dict) or not name.isprintable():
        raise BadAdvisory(f"{name[:60]!r} of {source[:60]!r} is no issue of the Debian security tracker")
    status, urgency = _take(release, "status", str), _take(release, "urgency", str) or ""
    fixed = _take(release, "fixed_version", str)
    # A fixed version of 0 was never vulnerable; "unimportant" is what the tracker calls no weakness of the package.
    if (
        urgency == "unimportant"
        or fixed == "0"
        or status not in ("open", "resolved")
        or (status, fixed) == ("resolved", None)
    ):
        return None
    return fixed if status == "resolved" else None, "" if urgency == "not yet assigned" else _make_word(urgency)


@lru_cache(maxsize=4096)
def _build_ranges(fixed: str | None) -> tuple[tuple[Event, ...], ...]:
    """From the beginning on; shared, as many issues are fixed in one version."""
    return ((Event("introduced", "0"), *((Event("fixed", fixed),) if fixed is not None else ())),)


def _take(value: Mapping[str, Any], key: str, cls: type[T]) -> T | None:
    item = value.get(key)
    if item is None or isinstance(item, cls):
        return item
    raise BadAdvisory(f"{key!r} is not what OSV's schema says")


def _take_objects(value: Mapping[str, Any], key: str) -> Iterator[dict[str, Any]]:
    for item in _take(value, key, list) or []:
        if not isinstance(item, dict):
            raise BadAdvisory(f"{key!r} is not what OSV's schema says")
        yield item


def _take_names(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Other names: aliases, and what it was made of; a distribution's advisory names its CVEs there."""
    names = [*(_take(record, "aliases", list) or []), *(_take(record, "upstream", list) or [])]
    return tuple(dict.fromkeys(name for name in names if isinstance(name, str) and name.isprintable()))[:50]


def _find_severity(value: Mapping[str, Any]) -> str:
    for key in ("database_specific", "ecosystem_specific"):
        specific = value.get(key)
        for name in ("severity", "urgency"):
            if isinstance(specific, dict) and isinstance(specific.get(name), str):
                return _make_word(specific[name])
    return _rate(value)


def _rate(value: Mapping[str, Any]) -> str:
    """By the field of the schema: a word, as Ubuntu has it; else the class of the highest score of CVSS 3."""
    listed = value.get("severity")
    told = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    scores = [(item.get("type"), item["score"]) for item in told if isinstance(item.get("score"), str)]
    words = [_make_word(score) for kind, score in scores if kind == "Ubuntu"]
    vectors = [score for kind, score in scores if kind == "CVSS_V3"]
    return next(filter(None, words), "") or find_class(max(vectors, key=_score, default=""))


def _score(vector: str) -> float:
    score = find_score(vector)
    return -1 if score is None else score


def _make_word(text: str) -> str:
    return text.lower() if text.isprintable() and len(text) <= 30 else ""


def _find_link(record: Mapping[str, Any]) -> str:
    """The advisory's page; else its page at OSV."""
    links = {
        _take(reference, "type", str): url
        for reference in reversed([*_take_objects(record, "references")])
        if (url := _take(reference, "url", str)) and url.startswith(("https://", "http://")) and url.isprintable()
    }
    return links.get("ADVISORY") or f"https://osv.dev/vulnerability/{record['id']}"
