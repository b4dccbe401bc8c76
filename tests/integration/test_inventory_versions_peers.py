"""The orders of versions, held against dpkg, apt, rpm and univers."""

import json
import random
import subprocess
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from conftest import IN_CI
from headless.inventory.versions import compare
from support import TIME_SCALE

VECTORS = Path(__file__).parents[1] / "vectors" / "versions.json"
SEED = 20260131
ALPHABETS = {"dpkg": "0129aAz.~+", "rpm": "0129aAz.~^+_"}
BASES = {
    "dpkg": ("3.0.14-1~deb12u2", "1:9.2p1-2+deb12u3", "2.36-9+deb12u9", "1.0~rc1-1", "20240203", "5.10.0-1.1+b1"),
    "rpm": ("1:3.0.7-28.el9_4", "0:5.14.0-427.13.1.el9_4", "1.0~rc1^git1-1", "32:9.16.23-18.el9", "2.0.1a-3.el8"),
}
APT = "import sys,apt_pkg;apt_pkg.init();" + (
    "[print(apt_pkg.version_compare(*line.split())) for line in sys.stdin.read().splitlines()]"
)


def read_vectors(kind: str) -> Iterator[tuple[str, str]]:
    """The pairs of the vectors. "(none)" is how rpm prints that there is no epoch, not how it reads it."""
    for a, _, b in json.loads(VECTORS.read_text())[kind]:
        if "(none)" not in a:
            yield a, b


def mutate(kind: str, count: int) -> Iterator[tuple[str, str]]:
    """Pairs of versions that the package manager takes, and that differ a little."""
    dice = random.Random(SEED)
    for _ in range(count):
        base = dice.choice(BASES[kind])
        yield _mutate(dice, kind, base), _mutate(dice, kind, base)


def _mutate(dice: random.Random, kind: str, version: str) -> str:
    epoch, colon, rest = version.rpartition(":")
    upstream, hyphen, release = rest.partition("-")
    parts = [upstream, release]
    for _ in range(dice.randrange(4)):
        which = dice.randrange(2 if hyphen else 1)
        text = parts[which]
        at = dice.randrange(len(text) + 1)
        parts[which] = text[:at] + dice.choice(["", *ALPHABETS[kind]]) + text[at + dice.randrange(2) :]
    if dice.random() < 0.1:
        epoch, colon = dice.choice(["0", "1", "12"]), ":"
    if dice.random() < 0.1:
        hyphen = parts[1] = ""
    # Both refuse a version that begins with no digit, or a part that is empty.
    head = f"{epoch}{colon}" + (parts[0] if parts[0][:1].isdigit() else "1" + parts[0])
    return f"{head}-{parts[1]}" if hyphen and parts[1] else head


def _disagreements(kind: str, pairs: list[tuple[str, str]], answers: list[int]) -> list[tuple[str, str, int]]:
    assert len(answers) == len(pairs)
    assert {-1, 0, 1} <= set(answers)
    return [(a, b, is_) for (a, b), is_ in zip(pairs, answers, strict=True) if compare(kind, a, b) != is_]


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


@pytest.mark.peer("dpkg")
def test_as_dpkg_compares() -> None:
    pairs = [*mutate("dpkg", 250), *read_vectors("dpkg")]
    script = (
        'while read -r a b; do for op in lt eq gt; do dpkg --compare-versions "$a" $op "$b" && echo $op; done; done'
    )
    text = "".join(f"{a} {b}\n" for a, b in pairs)
    done = subprocess.run(["sh", "-c", script], input=text, capture_output=True, text=True, timeout=60 * TIME_SCALE)
    assert done.stderr == ""
    signs = {"lt": -1, "eq": 0, "gt": 1}
    assert _disagreements("dpkg", pairs, [signs[word] for word in done.stdout.split()]) == []


def test_as_apt_compares() -> None:
    """apt's own library has the same order as dpkg, and answers thousands in one process."""
    pairs = [*mutate("dpkg", 5000), *read_vectors("dpkg")]
    done = subprocess.run(
        ["/usr/bin/python3", "-c", APT],
        input="".join(f"{a} {b}\n" for a, b in pairs),
        capture_output=True,
        text=True,
        timeout=60 * TIME_SCALE,
    )
    if "ModuleNotFoundError" in done.stderr and not IN_CI:
        pytest.skip("the real apt_pkg is not installed")
    assert done.stderr == ""
    answers = [_sign(int(line)) for line in done.stdout.split()]
    assert _disagreements("dpkg", pairs, answers) == []


@pytest.mark.peer("rpm")
def test_as_rpm_compares() -> None:
    pairs = [*mutate("rpm", 5000), *read_vectors("rpm")]
    answers: list[int] = []
    for start in range(0, len(pairs), 500):
        calls = "".join(f'print(rpm.vercmp("{a}","{b}").." ");' for a, b in pairs[start : start + 500])
        done = subprocess.run(
            ["rpm", "--eval", f"%{{lua: {calls}}}"], capture_output=True, text=True, timeout=60 * TIME_SCALE, check=True
        )
        answers += map(int, done.stdout.split())
    assert _disagreements("rpm", pairs, answers) == []


def _by_univers(name: str) -> Callable[[str, str], int]:
    cls: Any = getattr(import_module("univers.versions"), name)

    def answer(a: str, b: str) -> int:
        left, right = cls(a), cls(b)
        return int(left > right) - int(left < right)

    return answer


@pytest.mark.parametrize(("kind", "name"), [("dpkg", "DebianVersion"), ("rpm", "RpmVersion")])
def test_as_univers_compares(kind: str, name: str) -> None:
    # Of a release that is missing on one side rpm says that it is older, univers that it is empty.
    pairs = [(a, b) for a, b in mutate(kind, 3000) if kind == "dpkg" or ("-" in a) == ("-" in b)]
    answer = _by_univers(name)
    assert _disagreements(kind, pairs, [answer(a, b) for a, b in pairs]) == []


def test_apk_as_univers_compares() -> None:
    """Its rules are Gentoo's: versions on which the two package managers agree, so no fractions, no release 0."""
    dice = random.Random(SEED)
    versions = [
        ".".join(str(dice.randrange(1, 12)) for _ in range(dice.randrange(1, 4)))
        + dice.choice(["", "", "a", "b"])
        + dice.choice(["", "", "_alpha1", "_beta2", "_pre1", "_rc1", "_rc12", "_p1", "_p3"])
        + dice.choice(["-r1", "-r3", "-r10"])
        for _ in range(4000)
    ]
    pairs = list(zip(versions[::2], versions[1::2], strict=True))
    pairs += [(a, a.rpartition("-")[0] + "-r3") for a in versions[:500]]
    answer = _by_univers("AlpineLinuxVersion")
    assert _disagreements("apk", pairs, [answer(a, b) for a, b in pairs]) == []
