"""Advisories: what is vulnerable, and files that are none."""

import json
import zipfile
from pathlib import Path

import pytest

from headless.errors import ParameterError
from headless.inventory.advisory_files import read_advisories
from headless.inventory.json_members import iterate_values
from headless.inventory.package import Package

VECTORS = Path(__file__).parents[1] / "vectors"
OSV = str(VECTORS / "osv")
TRACKER = str(VECTORS / "debian_tracker.json")
OLD = Package("dpkg", "libssl3", "3.0.13-1~deb12u1", "amd64", "openssl")
NEW = OLD._replace(version="3.0.14-1~deb12u2")
APK = Package("apk", "libssl3", "3.1.4-r5", "x86_64", "openssl")
RPM = Package("rpm", "openssl-libs", "1:3.0.7-26.el9_4", "x86_64", "openssl")


@pytest.mark.parametrize(
    ("system", "package", "expected"),
    [
        (("debian", "12"), OLD, [("DSA-9001-1", "3.0.14-1~deb12u2")]),
        (("debian", "12"), NEW, []),
        # What counts is the source's version, where it differs.
        (("debian", "12"), NEW._replace(version="9", source_version="3.0.13-1"), [("DSA-9001-1", "3.0.14-1~deb12u2")]),
        (("debian", "12"), OLD._replace(source=""), []),
        (("debian", "13"), OLD, []),
        (("debian", ""), OLD, []),
        (("debian", "11"), OLD._replace(version="1.1.1w-0+deb11u1"), [("DSA-9001-1", "")]),
        (("debian", "11"), OLD._replace(version="1.1.1w-0+deb11u2"), []),
        (("debian", "11"), OLD._replace(version="1.1.0l-1"), []),
        (("almalinux", "9.4"), RPM, [("ALSA-9001:0001", "1:3.0.7-27.el9")]),
        (("almalinux", "9.4"), RPM._replace(version="1:3.0.7-27.el9"), []),
        (("almalinux", "8.9"), RPM._replace(version="1:1.1.1k-9.el8"), []),
        (("rhel", "9.4"), RPM, [("RHSA-9001:0002", "1:3.0.7-27.el9")]),
        (("rocky", "9.4"), Package("rpm", "bash", "0:5.1.8-9.el9"), []),
        (("alpine", "3.19.1"), APK, [("ALPINE-CVE-2026-90002", "3.1.4-r6")]),
        (("alpine", "3.20.0"), APK, []),
        (("ubuntu", "22.04"), OLD._replace(version="3.0.2-0ubuntu1"), [("UBUNTU-CVE-2026-90003", "")]),
        (("", ""), Package("python", "ruamel-yaml", "0.17.1"), [("PYSEC-9001-1", "0.17.2")]),
        (("", ""), Package("python", "ruamel_yaml", "0.17.21"), []),
        (("", ""), Package("python", "ruamel.yaml", "0.18.6"), [("PYSEC-9001-1", "0.18.10")]),
        (("", ""), Package("python", "ruamel.yaml", "0.99"), [("PYSEC-9001-1", "")]),
    ],
)  # fmt: skip
def test_what_osv_calls_vulnerable(system: tuple[str, str], package: Package, expected: list[tuple[str, str]]) -> None:
    found = read_advisories([OSV]).find(*system, [package])
    assert [(vulnerability.id, vulnerability.fixed) for vulnerability in found] == expected
    assert all(vulnerability.package == package for vulnerability in found)


def test_what_an_advisory_tells_besides() -> None:
    (found,) = read_advisories([OSV]).find("debian", "12", [OLD])
    assert found.link == "https://example.org/DSA-9001-1"
    assert found.aliases == ("CVE-2026-90001",)
    assert found.severity == "high"


def test_what_the_debian_tracker_calls_vulnerable() -> None:
    advisories = read_advisories([TRACKER])
    assert [(found.id, found.fixed, found.severity) for found in advisories.find("debian", "12", [OLD])] == [
        ("CVE-2026-90001", "3.0.14-1~deb12u2", ""),
        ("CVE-2026-90004", "", "low"),
    ]
    assert [found.id for found in advisories.find("debian", "12", [NEW])] == ["CVE-2026-90004"]
    assert advisories.find("debian", "13", [OLD]) == []


def test_an_archive_says_the_same_as_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(Path(OSV).iterdir()):
            archive.write(file, f"some/{file.name}")
        archive.writestr("README", "no advisory")
    by_folder, by_archive = read_advisories([OSV]), read_advisories([str(path)])
    assert len(by_folder) == len(by_archive) > 5
    assert by_folder.find("debian", "12", [OLD]) == by_archive.find("debian", "12", [OLD])


def test_what_is_not_known_is_told() -> None:
    advisories = read_advisories([OSV])
    assert advisories.find_gap("debian", "12", [OLD]) == ""
    assert advisories.find_gap("debian", "13", [OLD]) == "no advisory is about debian 13"
    assert "not known" in advisories.find_gap("", "", [OLD])
    assert "source" in advisories.find_gap("debian", "12", [OLD._replace(source="")])
    assert advisories.find_gap("debian", "12", [], ["dpkg", "python"]) == "the host could not read: dpkg"
    assert advisories.find_gap("debian", "12", [OLD], ["rpm"]) == ""


RECORD = json.loads((VECTORS / "osv" / "debian.json").read_text())


def affected(**changes: object) -> bytes:
    """A record of OSV with other contents."""
    return json.dumps({**RECORD, "affected": [{**RECORD["affected"][0], **changes}]}).encode()


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"a":' * 100_000, "nested too deep"),
        (b"[" + b"9" * 10_000 + b"]", "no JSON"),
        (b"{}", "no advisory about packages"),
        (b"[]", "no advisory about packages"),
        (b"7", "OSV's schema is expected"),
        (b"[7]", "OSV's schema is expected"),
        (b'{"id": 7}', "'id' is not what"),
        (b'{"id": "a\\u001b[0m"}', "'id' is no name"),
        (b'{"openssl": 7}', "nor the Debian security tracker"),
        (b'{"openssl": {"CVE-1": {"releases": 7}}}', "nor the Debian security tracker"),
        (b'{"openssl": {"CVE-1": {"releases": {"bookworm": 7}}}}', "is no issue of"),
        (b'{"openssl": {"CVE-1": {"releases": {"bookworm": {"status": 7}}}}}', "'status' is not what"),
        (json.dumps({**RECORD, "affected": 7}).encode(), "DSA-9001-1: 'affected' is not what"),
        (json.dumps({**RECORD, "affected": [7]}).encode(), "'affected' is not what"),
        (affected(package=7), "'package' is not what"),
        (affected(ranges=[7]), "'ranges' is not what"),
        (affected(ranges=[{"type": "ECOSYSTEM", "events": [{"fixed": 7}]}]), "'fixed' is not what"),
        (affected(versions=[7]), "'versions' is no list"),
        (affected(package={"ecosystem": "npm", "name": "x"}), "no advisory about packages"),
    ],
)
def test_what_is_none_is_said_in_a_line(tmp_path: Path, data: bytes, part: str) -> None:
    path = tmp_path / "odd.json"
    path.write_bytes(data)
    with pytest.raises(ParameterError) as caught:
        read_advisories([str(path)])
    assert part in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_archives_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "odd.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", json.dumps(RECORD) + " " * 100_000)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[60] ^= 0xFF
    for data, part in ((bytes(flipped), "ZIP"), (whole[: len(whole) // 2], "no JSON")):
        path.write_bytes(data)
        with pytest.raises(ParameterError, match=part):
            read_advisories([str(path)])


def test_an_archive_that_grows_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headless.inventory.advisory_files.FILE_LIMIT", 100_000)
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", b" " * 50_000_000)
    with pytest.raises(ParameterError, match="more in it than is read"):
        read_advisories([str(path)])


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="No such file"):
        read_advisories([str(tmp_path / "none.json")])
    with pytest.raises(ParameterError, match="no advisory about packages"):
        read_advisories([str(tmp_path)])


def test_a_large_tracker_is_read_issue_by_issue_and_says_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = Path(TRACKER).read_text().strip()
    for chunk in (1, 7, 1 << 20):
        monkeypatch.setattr("headless.inventory.json_members.CHUNK", chunk)
        assert list(iterate_values(text.encode())) == [
            (source, name, issue) for source, issues in json.loads(text).items() for name, issue in issues.items()
        ]
    assert list(iterate_values(b' {"a": {"b": 12, "c": "\xc3\xa9"} , "d":{}} ')) == [("a", "b", 12), ("a", "c", "é")]
    for odd in (text + "x", text[:-1], text[:-200], "{", '{"a"', '{"a":{1:2}}', '{"a":{"b":1}"c":{}}'):
        (tmp_path / "odd.json").write_text(odd)
        with pytest.raises(ParameterError, match=r"odd\.json: no JSON"):
            read_advisories([str(tmp_path / "odd.json")])
