"""Reference files: TOML, a table ``[[rule]]`` each; ``docs/inventory.md`` describes them."""

import re
import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from headless.errors import ParameterError
from headless.inventory.bound import Bound, parse_bounds
from headless.inventory.os_release import parse_system_pattern
from headless.inventory.package import KINDS
from headless.inventory.reference import Reference
from headless.inventory.rule import SYSTEM_KINDS, Rule
from headless.inventory.selector import parse_selector

__all__ = ["parse_reference", "read_reference"]

LIMIT = 16 * 2**20
"""The largest file that is read, in bytes."""
SEVERITIES = ("low", "medium", "high", "critical")
DEFAULTS = {"deadline", "grace", "severity", "link"}
"""What may stand at the top too, for all rules that do not have their own."""
HEAD = {"name", "rule"} | DEFAULTS
RULE = {"package", "kind", "version", "absent", "required", "any", "os", "tag", "site", "comment"} | DEFAULTS
DAY_S = 86400


def read_reference(path: str) -> Reference:
    """Read a reference file.

    Raises:
        ParameterError: it cannot be read, or is none; one line with the file's name, and the rule's.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(LIMIT + 1)
    except OSError as exc:
        raise ParameterError(f"{path}: {exc.strerror}") from None
    try:
        return parse_reference(data, Path(path).stem)
    except ParameterError as exc:
        raise ParameterError(f"{path}: {exc}") from None


def parse_reference(data: bytes, name: str) -> Reference:
    """Read a reference.

    Args:
        name: what it is called if it does not say.

    Raises:
        ParameterError: it is none, or has no rule; one line.
    """
    if len(data) > LIMIT:
        raise ParameterError(f"larger than {LIMIT >> 20} MiB: no reference")
    try:
        head = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise ParameterError(f"no TOML: {exc}") from None
    except (RecursionError, ValueError):
        raise ParameterError("no TOML: nested too deep, or a number too long") from None
    _check_keys(head, HEAD)
    tables = head.get("rule")
    if not isinstance(tables, list) or not tables:
        raise ParameterError("no rule in it: a table [[rule]] each is expected")
    defaults = {key: head[key] for key in DEFAULTS & head.keys()}
    rules = [_parse_numbered(number, table, defaults) for number, table in enumerate(tables, 1)]
    return Reference(_take_text(head, "name") or name, rules)


def _parse_numbered(number: int, table: Any, defaults: Mapping[str, Any]) -> Rule:
    label = f"rule {number}"
    try:
        if not isinstance(table, dict):
            raise ParameterError("a table is expected")
        if isinstance(table.get("package"), str):
            label += f" ({table['package'][:60]!r})"
        _check_keys(table, RULE)
        return _parse_rule(number, {**defaults, **table})
    except ParameterError as exc:
        raise ParameterError(f"{label}: {exc}") from None


def _parse_rule(number: int, table: Mapping[str, Any]) -> Rule:
    if "package" not in table:
        raise ParameterError("it has no 'package'")
    deadline = _take_deadline(table)
    rule = Rule(
        number,
        parse_selector(_take_text(table, "package")),
        kinds=_take_kinds(table),
        alternatives=_take_alternatives(table),
        is_absent=_take_flag(table, "absent"),
        is_required=_take_flag(table, "required"),
        one_is_enough=_take_flag(table, "any"),
        systems=tuple(parse_system_pattern(text) for text in _take_texts(table, "os")),
        tags=_take_texts(table, "tag"),
        sites=_take_texts(table, "site"),
        deadline=deadline,
        grace_s=_take_grace(table, deadline),
        severity=_take_severity(table),
        comment=_take_text(table, "comment"),
        link=_take_link(table),
    )
    if rule.is_absent and (rule.alternatives or rule.is_required):
        raise ParameterError("'absent' stands alone: no 'version' and no 'required' beside it")
    if not (rule.is_absent or rule.is_required or rule.alternatives):
        raise ParameterError("it wants nothing: one of 'version', 'absent = true', 'required = true' is expected")
    return rule


def _check_keys(table: Mapping[str, Any], known: set[str]) -> None:
    if unknown := sorted(table.keys() - known):
        raise ParameterError(f"{unknown[0][:60]!r} is not known: known are {', '.join(sorted(known))}")


def _take_text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str) or not value.isprintable() or len(value) > 1000:
        raise ParameterError(f"{key!r}: a text is expected, one line of at most 1000 characters")
    return value


def _take_texts(table: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """One text, or a list of them; a list that is empty is a mistake: it would mean nothing, or all."""
    value = table.get(key)
    if value is None:
        return ()
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(text, str) and text and text.isprintable() for text in values):
        raise ParameterError(f"{key!r}: a text or a list of texts is expected, none empty")
    return tuple(values)


def _take_flag(table: Mapping[str, Any], key: str) -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise ParameterError(f"{key!r}: true or false is expected")
    return value


def _take_kinds(table: Mapping[str, Any]) -> tuple[str, ...]:
    kinds = _take_texts(table, "kind")
    for kind in kinds:
        if kind not in KINDS:
            raise ParameterError(f"'kind': {kind[:60]!r} is not known: known are {', '.join(KINDS)}")
    return kinds or SYSTEM_KINDS


def _take_alternatives(table: Mapping[str, Any]) -> tuple[tuple[Bound, ...], ...]:
    alternatives = []
    for text in _take_texts(table, "version"):
        try:
            alternatives.append(parse_bounds(text))
        except ParameterError as exc:
            raise ParameterError(f"'version': {exc}") from None
    return tuple(alternatives)


def _take_severity(table: Mapping[str, Any]) -> str:
    severity = _take_text(table, "severity")
    if severity and severity not in SEVERITIES:
        raise ParameterError(f"'severity': one of {', '.join(SEVERITIES)} is expected")
    return severity


def _take_link(table: Mapping[str, Any]) -> str:
    link = _take_text(table, "link")
    if link and not link.startswith(("https://", "http://")):
        raise ParameterError("'link': a URL with https:// is expected")
    return link


def _take_deadline(table: Mapping[str, Any]) -> int | None:
    """The end of the day, UTC."""
    value = table.get("deadline")
    if isinstance(value, str) and re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        try:
            value = date.fromisoformat(value)
        except ValueError:
            raise ParameterError(f"'deadline': there is no day {value}") from None
    if value is None:
        return None
    if not isinstance(value, date) or isinstance(value, datetime) or value == date.max:
        raise ParameterError("'deadline': a day is expected, such as 2026-01-31")
    return int(datetime.combine(value + timedelta(days=1), time(), UTC).timestamp())


def _take_grace(table: Mapping[str, Any], deadline: int | None) -> int:
    days = table.get("grace", 0)
    if isinstance(days, bool) or not isinstance(days, int) or not 0 <= days <= 3650:
        raise ParameterError("'grace': a number of days is expected, at most 3650")
    if days and deadline is None:
        raise ParameterError("'grace' needs a 'deadline': it is how many days later a host is overdue")
    return days * DAY_S
