"""What a report may hold is bounded before much is made of it: packages, lines, objects, depth."""

import contextlib
import json
import tracemalloc
from typing import Any

import pytest

from headless.inventory.amount import LONGEST_LINE
from headless.inventory.document import FORMAT
from headless.inventory.formats import parse_report
from headless.inventory.report import BadReport

MOST = 2000
HEAD = b"#\nhost: a\npackager: rpm\nversion: 1\n#\n"


def write_text(count: int, line: bytes = b"lib%d\t1\tx86_64\n") -> bytes:
    return HEAD + b"".join(line % number for number in range(count)) + b"#\n"


def write_document(count: int) -> bytes:
    packages = [["rpm", f"lib{number}", "0:1-1"] for number in range(count)]
    return json.dumps({"format": FORMAT, "version": 1, "host": "a", "packages": packages}).encode()


def write_bom(count: int) -> bytes:
    components = [{"name": f"lib{number}", "version": "1"} for number in range(count)]
    metadata = {"component": {"name": "a"}}
    return json.dumps({"bomFormat": "CycloneDX", "metadata": metadata, "components": components}).encode()


def write_syft(count: int) -> bytes:
    artifacts = [{"name": f"lib{number}", "version": "1"} for number in range(count)]
    return json.dumps({"source": {"name": "a"}, "artifacts": artifacts}).encode()


def write_form(count: int) -> bytes:
    packages = "%0A".join(f"'lib{number}' '1' '1' 'x86_64'" for number in range(count))
    return f"host=a&type=rpm&version=4&pkgs={packages}".encode()


WRITERS = (write_text, write_document, write_bom, write_syft)


@pytest.mark.parametrize("write", [*WRITERS, write_form])
def test_as_many_packages_as_are_taken(write: Any) -> None:
    assert len(parse_report(write(MOST), most=MOST).packages) == MOST


@pytest.mark.parametrize("write", WRITERS)
def test_one_package_too_many(write: Any) -> None:
    with pytest.raises(BadReport, match="2001 packages, and 2000 are taken"):
        parse_report(write(MOST + 1), most=MOST)


@pytest.mark.parametrize("write", [*WRITERS, write_form])
def test_far_too_many_are_seen_before_anything_is_made_of_them(write: Any) -> None:
    data = write(10 * MOST)
    tracemalloc.start()
    try:
        with pytest.raises(BadReport, match="more than 2000 packages"):
            parse_report(data, most=MOST)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < len(data) + 20_000


def test_200_000_packages_are_taken_as_it_comes() -> None:
    assert len(parse_report(write_text(200_000)).packages) == 200_000


def test_memory_for_a_package() -> None:
    """Some 100 bytes it is itself, 50 each of its texts; what is made on the way must not be much more."""
    data = write_text(20_000)
    tracemalloc.start()
    try:
        parse_report(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20_000 * 400


def build_document(rest: str) -> bytes:
    return f'{{"format":"{FORMAT}","version":1,"host":"a","packages":[["rpm","a","1"]],{rest}}}'.encode()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (HEAD + b"lib\t" + b"1" * LONGEST_LINE + b"\tx\n#\n", "a line of more than"),
        (HEAD + b"lib\t1\tx\n#\n" + b"\n" * 10 + b"x" * LONGEST_LINE * 2, "a line of more than"),
        (write_form(1) + b"1" * LONGEST_LINE, "a line of more than"),
        (b"a=1" + b"&a=1" * 1000, "too many fields"),
        (b"--b\n" + b"content-disposition: form-data; name=a\n\n1\n--b\n" * 1000 + b"--", "too many fields"),
        (build_document('"made":1,"made":2'), "a name twice"),
        (build_document('"missing":[{"source":"a","source":"b"}]'), "a name twice"),
        (build_document('"made":' + "9" * 5000), "no JSON"),
        (build_document('"made":' + "9" * 4000), "no number of seconds"),
        (build_document('"made":1e999'), "no number of seconds"),
        (build_document('"made":NaN'), "no number of seconds"),
        (build_document('"x":' + "[" * 100_000), "no JSON"),
        (build_document('"x":' + '{"a":' * 100_000 + "1" + "}" * 100_000), "no JSON"),
        (b'{"bomFormat":"CycloneDX","components":[' + b"{}," * 3_000_000 + b"{}]}", "more than 500000"),
    ],
)
def test_what_is_out_of_all_proportion(data: bytes, reason: str) -> None:
    with pytest.raises(BadReport, match=reason):
        parse_report(data)


@pytest.mark.parametrize("depth", [500, 900, 960, 990])
def test_names_that_are_deeply_nested(depth: int) -> None:
    nested = "[" * depth + "]" * depth
    data = f'{{"bomFormat":"CycloneDX","metadata":{{"component":{{"name":"a"}}}},"components":[{{"name":{nested}}}]}}'
    with contextlib.suppress(BadReport):
        parse_report(data.encode())
