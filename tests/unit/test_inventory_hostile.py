"""Whatever is in a file: a value or one clear error, never another exception."""

import contextlib
import json
import tempfile
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from headless.errors import ParameterError
from headless.inventory.advisories import Advisories
from headless.inventory.advisory_records import BadAdvisory, add_records
from headless.inventory.package import Package
from headless.inventory.reference_file import parse_reference
from headless.inventory.requirement import parse_requirement
from headless.inventory.rule import HostFacts
from headless.inventory.vex_files import read_exceptions
from inventory_support import judge

ATOMS = st.sampled_from(
    (
        None,
        True,
        0,
        -1,
        1.5,
        *["", "0", "3.0.14", "ECOSYSTEM", "Debian:12", "PyPI", "openssl", "open", "resolved", "bookworm"],
    )
)
KEYS = st.sampled_from(
    [
        "id",
        "affected",
        "package",
        "ecosystem",
        "name",
        "ranges",
        "type",
        "events",
        "introduced",
        "fixed",
        "last_affected",
        "versions",
        "withdrawn",
        "aliases",
        "upstream",
        "references",
        "url",
        "database_specific",
        "severity",
        "vulns",
        "releases",
        "bookworm",
        "status",
        "fixed_version",
        "urgency",
        "openssl",
    ]
)
VALUES = st.recursive(
    ATOMS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=20
)
RECORDS = st.fixed_dictionaries(
    {"id": st.just("X-1")},
    optional={
        "affected": VALUES
        | st.lists(
            st.fixed_dictionaries(
                {"package": st.just({"ecosystem": "Debian:12", "name": "openssl"})},
                optional={"ranges": VALUES | st.lists(st.fixed_dictionaries({"events": VALUES}), max_size=2)},
            ),
            max_size=3,
        ),
        "references": VALUES,
        "aliases": VALUES,
    },
)
PACKAGE = Package("dpkg", "openssl", "3.0.13-1", "amd64")


@settings(deadline=None, max_examples=200)
@given(VALUES | RECORDS)
def test_advisories(value: Any) -> None:
    advisories = Advisories()
    try:
        add_records(advisories, json.dumps(value).encode())
    except BadAdvisory as exc:
        assert len(str(exc)) < 300
    for found in advisories.find("debian", "12", [PACKAGE]):
        assert found.package == PACKAGE


STATEMENTS = st.fixed_dictionaries(
    {"status": st.just("fixed") | VALUES, "analysis": st.just({"state": "resolved"}) | VALUES},
    optional={
        "vulnerability": VALUES | st.just({"name": "X-1"}),
        "id": st.just("X-1") | VALUES,
        "references": VALUES,
        "timestamp": VALUES | st.just("2026-01-31T00:00:00Z"),
        "products": VALUES | st.lists(st.just("pkg:deb/openssl") | st.fixed_dictionaries({"@id": VALUES}), max_size=2),
        "affects": VALUES
        | st.lists(
            st.fixed_dictionaries({"ref": st.just("pkg:deb/openssl")}, optional={"versions": VALUES}), max_size=2
        ),
    },
)


@settings(deadline=None, max_examples=200)
@given(st.lists(STATEMENTS | VALUES, max_size=3), VALUES, st.booleans())
def test_vex_files(statements: list[Any], components: Any, is_cyclonedx: bool) -> None:
    kind = {"bomFormat": "CycloneDX"} if is_cyclonedx else {"@context": "https://openvex.dev/ns"}
    body = {**kind, "statements": statements, "vulnerabilities": statements, "components": components}
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        file.write(json.dumps(body).encode())
        file.flush()
        try:
            exceptions = read_exceptions([file.name])
        except ParameterError as exc:
            assert "\n" not in str(exc) and len(str(exc)) < 400
        else:
            assert isinstance(exceptions.explain(["X-1"], PACKAGE, "debian", "12"), str)


RULE_KEYS = st.sampled_from(
    [
        "version",
        "absent",
        "required",
        "any",
        "kind",
        "os",
        "tag",
        "site",
        "deadline",
        "grace",
        "severity",
        "link",
        "name",
        "rule",
    ]
)
RULE_VALUES = st.sampled_from(
    [
        "'>= 1'",
        "''",
        "'x'",
        "'el:9'",
        "'dpkg'",
        "['>1','<2']",
        "[]",
        "[7]",
        "true",
        "false",
        "7",
        "-1",
        "1e400",
        "2026-01-31",
        "'2026-02-31'",
        "{a=1}",
        "inf",
    ]
)
LINES = st.tuples(RULE_KEYS, RULE_VALUES).map("=".join) | st.sampled_from(
    ["[[rule]]", "package='*'", "[rule]", "#", "\0"]
)


@settings(deadline=None, max_examples=200)
@given(st.lists(LINES, max_size=6).map("\n".join))
def test_references(text: str) -> None:
    try:
        reference = parse_reference(f"[[rule]]\npackage='open*'\n{text}\n".encode(), "x")
    except ParameterError as exc:
        assert "\n" not in str(exc)
        return
    judge(reference, HostFacts("n"), [PACKAGE], 0)


@settings(deadline=None)
@given(st.text(max_size=30) | st.text("openssl*?<>=!,~ :1.", max_size=12))
def test_requirements(text: str) -> None:
    with contextlib.suppress(ParameterError):
        parse_requirement(text).matches(PACKAGE)
