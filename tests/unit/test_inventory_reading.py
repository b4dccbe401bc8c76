"""What the reader remembers is what it would read."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headless.inventory.collect import reading
from headless.inventory.collect.arrival import build_arrival
from headless.inventory.collect.reading import Reader
from headless.inventory.formats import parse_report
from headless.inventory.package import Package
from headless.inventory.report import BadReport, Missing
from headless.inventory.text import write_text
from inventory_support import make_report

CHANGES = (
    (b"", b""),
    (b"SITE", b"OTHER"),
    (b"count: 21", b"count: 20"),
    (b"count: 21\n", b""),
    (b"packager: rpm", b"packager: dpkg"),
    (b"packager: rpm\n", b""),
    (b"sha256: ", b"sha256: 0"),
    (b"lib7", b"lib8"),
    (b"\n", b"\r\n"),
    (b"#\nlib", b"#\n#\nlib"),
    (b"version: 1", b"version: 2"),
    (b"host: node", b"host: \xe9node"),
    (b"host: ", b" count: 21\nhost: "),
)


def read(function: object, content: bytes) -> object:
    try:
        return function(content)  # type: ignore[operator]  # one of two
    except BadReport as exc:
        return str(exc)


@given(st.lists(st.tuples(st.integers(1, 2), st.lists(st.sampled_from(CHANGES), max_size=2)), min_size=2, max_size=8))
def test_it_reads_as_the_parser_does_in_whatever_order(told: list[tuple[int, list[tuple[bytes, bytes]]]]) -> None:
    reader = Reader()
    for version, changes in told:
        content = write_text(make_report(str(version), made=1000 + version, missing=(Missing("apk", "gone"),)))
        for old, new in changes:
            content = content.replace(old, new) if old else content
        found = read(lambda data: reader.read(data, 2000), content)
        assert found == read(lambda data: build_arrival(parse_report(data), 2000), content)


def test_what_is_remembered_has_a_limit_whatever_the_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PACKAGES", 60)
    monkeypatch.setattr(reading, "ENTRIES", 100)
    reader = Reader()
    for number in range(50):  # the first ones have all packages but one in common, the later ones none
        packages = tuple(Package("rpm", f"p{number // 25 * number}-{n}", "0:1-1") for n in range(20))
        report = replace(make_report(), packages=(*packages, Package("rpm", f"app{number}", "0:1-1")))
        reader.read(write_text(report), 1)
        lists = [packages for packages, _ in reader._lists.values()]
        assert sum(map(len, lists)) == reader._entries <= 100
        assert {package for packages in lists for package in packages} <= set(reader._packages.values())
        assert len(reader._packages) <= 60 + 21
