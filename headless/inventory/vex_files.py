"""VEX files: OpenVEX (0.0.1 and 0.2.0), and the vulnerabilities of CycloneDX documents (1.4 and later)."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from headless.errors import ParameterError
from headless.inventory.advisory_files import read_texts
from headless.inventory.product import Product
from headless.inventory.vex import Exceptions, Statement

__all__ = ["read_exceptions"]

OPENVEX = {"not_affected": True, "fixed": True, "affected": False, "under_investigation": False}
CYCLONEDX = {
    "not_affected": True,
    "false_positive": True,
    "resolved": True,
    "resolved_with_pedigree": True,
    "exploitable": False,
    "in_triage": False,
}
"""What each may say of a product, and whether it then is not vulnerable."""
REASON_LIMIT = 300


class _BadVex(ValueError):
    """What is no VEX file; the message says why, in one line."""


def read_exceptions(paths: Iterable[str]) -> Exceptions:
    """Read VEX files.

    Args:
        paths: each a file ``.json`` or ``.zip``, or a folder, which is searched for ``.json``.

    Raises:
        ParameterError: one cannot be read, is none, or says nothing of packages; one line.
    """
    exceptions = Exceptions()
    for path in paths:
        before = len(exceptions)
        for name, data in read_texts(path):
            try:
                for vulnerability, statement in _parse(data):
                    exceptions.add(vulnerability, statement)
            except _BadVex as exc:
                raise ParameterError(f"{name}: {exc}") from None
        if len(exceptions) == before:
            raise ParameterError(f"{path}: no statement about a package of a known kind, by its package URL, is in it")
    return exceptions


def _parse(data: bytes) -> Iterator[tuple[str, Statement]]:
    try:
        body = json.loads(data)
    except RecursionError:
        raise _BadVex("JSON that is nested too deep") from None
    except ValueError as exc:
        raise _BadVex(f"no JSON: {exc}") from None
    if isinstance(body, dict) and str(body.get("@context", "")).startswith("https://openvex.dev/ns"):
        return _parse_openvex(body)
    if isinstance(body, dict) and body.get("bomFormat") == "CycloneDX":
        return _parse_cyclonedx(body)
    raise _BadVex("neither OpenVEX nor CycloneDX")


def _parse_openvex(body: Mapping[str, Any]) -> Iterator[tuple[str, Statement]]:
    for item in _take_objects(body, "statements"):
        status = str(item.get("status"))
        if status not in OPENVEX:
            raise _BadVex(f"{status[:60]!r} is no status of OpenVEX")
        reason = _build_reason(status, item.get("justification"), item.get("impact_statement"))
        time = _find_time(item, body)
        for product in _find_products(item):
            for name in _find_names(item.get("vulnerability")):
                yield name, Statement(product, time, OPENVEX[status], reason)


def _find_names(vulnerability: Any) -> list[str]:
    """A text in the first version of OpenVEX, an object since."""
    if isinstance(vulnerability, str):
        return [vulnerability]
    if not isinstance(vulnerability, dict) or not isinstance(vulnerability.get("name"), str):
        raise _BadVex("a statement names no vulnerability")
    aliases = vulnerability.get("aliases")
    return [vulnerability["name"], *map(str, aliases if isinstance(aliases, list) else ())]


def _find_products(item: Mapping[str, Any]) -> Iterator[Product]:
    products = item.get("products") or []
    for told in products if isinstance(products, list) else [products]:
        entry = {"@id": told} if isinstance(told, str) else told
        if not isinstance(entry, dict):
            raise _BadVex("'products' is not what OpenVEX says")
        # What holds of a part of a product holds of nothing else: there is nobody here to say what the product is.
        if entry.get("subcomponents") or item.get("subcomponents"):
            continue
        identifiers = entry.get("identifiers")
        url = identifiers.get("purl") if isinstance(identifiers, dict) else None
        if product := Product.parse(str(url or entry.get("@id") or "")):
            yield product


def _parse_cyclonedx(body: Mapping[str, Any]) -> Iterator[tuple[str, Statement]]:
    urls = dict(_iterate_components(body))
    for item in _take_objects(body, "vulnerabilities"):
        analysis = item.get("analysis")
        if not isinstance(analysis, dict) or "state" not in analysis:
            continue
        state = str(analysis["state"])
        if state not in CYCLONEDX:
            raise _BadVex(f"{state[:60]!r} is no state of CycloneDX")
        reason = _build_reason(state, analysis.get("justification"), analysis.get("detail"))
        time = _find_time(analysis, item, body.get("metadata"))
        names = [item.get("id"), *(reference.get("id") for reference in _take_objects(item, "references"))]
        for affected in _take_objects(item, "affects"):
            for product in _find_affected(affected, urls):
                for name in names:
                    if isinstance(name, str):
                        yield name, Statement(product, time, CYCLONEDX[state], reason)


def _iterate_components(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    waiting = [*_take_objects(body, "components")]
    metadata = body.get("metadata")
    if isinstance(metadata, dict) and isinstance(metadata.get("component"), dict):
        waiting.append(metadata["component"])
    while waiting:
        component = waiting.pop()
        waiting += _take_objects(component, "components")
        if isinstance(component.get("bom-ref"), str) and isinstance(component.get("purl"), str):
            yield component["bom-ref"], component["purl"]


def _find_affected(affected: Mapping[str, Any], urls: Mapping[str, str]) -> Iterator[Product]:
    """The packages that an entry means: its component; where it tells versions, those that are not affected."""
    reference = affected.get("ref")
    if not isinstance(reference, str):
        raise _BadVex("'affects' is not what CycloneDX says")
    if reference.startswith("urn:cdx:"):
        reference = unquote(reference.partition("#")[2])
    product = Product.parse(urls.get(reference, reference))
    if product is None:
        return
    versions = [*_take_objects(affected, "versions")]
    if not versions:
        yield product
    for version in versions:
        if version.get("status") == "unaffected" and isinstance(version.get("version"), str):
            yield replace(product, package=product.package._replace(version=version["version"]))


def _take_objects(value: Mapping[str, Any], key: str) -> Iterator[dict[str, Any]]:
    items = value.get(key) or []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise _BadVex(f"{key!r} is no list of objects")
    yield from items


def _build_reason(*parts: Any) -> str:
    text = ", ".join(" ".join(part.split()) for part in parts if isinstance(part, str) and part.strip())
    return "".join(letter if letter.isprintable() else "?" for letter in text[:REASON_LIMIT])


def _find_time(*values: Any) -> float:
    """When something was said, by the first that tells; 0, before all others, if none does."""
    for value in values:
        for name in ("last_updated", "lastUpdated", "updated", "timestamp", "firstIssued"):
            text = value.get(name) if isinstance(value, dict) else None
            try:
                time = datetime.fromisoformat(text) if isinstance(text, str) else None
            except ValueError:
                continue
            if time is not None:
                return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    return 0.0
