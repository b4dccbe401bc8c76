"""The orders of versions: known traps, total whatever the text, and bounds that leave a part out."""

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headless.errors import ParameterError
from headless.inventory.package import KINDS
from headless.inventory.versions import compare, compare_to_bound, sort_key

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "versions.json").read_text())
CASES = [(kind, *case) for kind, cases in VECTORS.items() for case in cases]
SIGNS = {"<": -1, "=": 0, ">": 1}
PIECES = st.sampled_from(
    [*"0129aAz.~^+-:_!é٣\0\n\udc80", "01", "10", "rc", "_p", "-r", "~deb", ".el9", "(none):", "0:", "1:", "9" * 30]
)
VERSIONS = st.lists(PIECES, max_size=8).map("".join) | st.text(max_size=12)
HOSTILE = (
    "",
    "\0",
    "٣.٤",
    "9" * 100_000,
    "1." * 50_000,
    "~" * 100_000,
    "a1" * 50_000,
    ":",
    "-",
    "\udc80",
    "\U0010ffff",
)


@pytest.mark.parametrize(("kind", "a", "sign", "b"), CASES)
def test_known_traps(kind: str, a: str, sign: str, b: str) -> None:
    assert compare(kind, a, b) == SIGNS[sign]
    assert compare(kind, b, a) == -SIGNS[sign]


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None)
@given(versions=st.tuples(VERSIONS, VERSIONS, VERSIONS))
def test_the_order_is_total(kind: str, versions: tuple[str, str, str]) -> None:
    a, b, c = sorted(versions, key=sort_key(kind))
    for x in (a, b, c):
        assert compare(kind, x, x) == 0
        for y in (a, b, c):
            assert compare(kind, x, y) == -compare(kind, y, x)
    assert compare(kind, a, b) <= 0
    assert compare(kind, b, c) <= 0
    assert compare(kind, a, c) == max(compare(kind, a, b), compare(kind, b, c), key=abs)


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_versions_have_their_place(kind: str) -> None:
    keys = [sort_key(kind)(version) for version in HOSTILE]
    for a in keys:
        for b in keys:
            assert (a < b) + (a == b) + (a > b) == 1


@pytest.mark.parametrize(
    ("kind", "version", "bound", "sign"),
    [
        ("rpm", "1:3.0.7-28.el9", "3.0.14", "<"),
        ("rpm", "1:3.0.7-28.el9", "0:3.0.14", ">"),
        ("rpm", "1:3.0.7-28.el9", "3.0.7", "="),
        ("rpm", "1:3.0.7-28.el9", "1:3.0.7", "="),
        ("rpm", "1:3.0.7-28.el9", "3.0.7-28.el9", "="),
        ("rpm", "1:3.0.7-28.el9", "3.0.7-27.el9", ">"),
        ("rpm", "0:3.0.7-28.el9", "0:3.0.7-28.el9", "="),
        ("rpm", "3.0.7", "3.0.7-1", "<"),
        ("dpkg", "3.0.14-1~deb12u2", "3.0.14", "="),
        ("dpkg", "1:9.2p1-2+deb12u3", "9.2p1", "="),
        ("dpkg", "1:9.2p1-2+deb12u3", "0:9.3", ">"),
        ("dpkg", "3.134", "3.134-1", "<"),
        ("apk", "3.1.4-r5", "3.1.4", "="),
        ("apk", "3.1.4-r5", "3.1.4-r6", "<"),
        ("python", "2.1.0+cu118", "2.1", "="),
        ("python", "2.1.0+cu118", "2.1.0+cu117", ">"),
        ("pkg", "1.2_3", "1.2", ">"),
    ],
)
def test_what_a_bound_leaves_out_is_not_compared(kind: str, version: str, bound: str, sign: str) -> None:
    assert compare_to_bound(kind, version, bound) == SIGNS[sign]


def test_without_packaging_pythons_versions_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "packaging.version", None)
    with pytest.raises(ParameterError, match=r"pip install '\.\[inventory\]'"):
        compare("python", "1.0", "1.1")
    assert compare("rpm", "1.0", "1.1") == -1
