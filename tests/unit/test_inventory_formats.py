"""The formats of reports but for the text's own rules: our JSON, CycloneDX, syft's, and which is which."""

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headless.inventory.cyclonedx import write_bom
from headless.inventory.document import write_document
from headless.inventory.formats import parse_report
from headless.inventory.package import KINDS, Package
from headless.inventory.purl import build_purl, parse_purl
from headless.inventory.report import BadReport, Missing, Report
from headless.inventory.text import write_text

PACKAGES = (
    Package("rpm", "bind-libs", "32:9.16.23-18.el9", "x86_64", "bind", "9.16.23-18.el9"),
    Package("rpm", "lib~c^x", "0:1~rc1^git-1", "noarch"),
    Package("dpkg", "libssl3", "1:3.0.11-1~deb12u2", "amd64", "openssl", "3.0.11-1"),
    Package("dpkg", "g++", "4:12.2.0-3", "amd64"),
    Package("apk", "musl", "1.2.4-r2", "x86_64"),
    Package("python", "ruamel.yaml", "0.18.6"),
    Package("pkg", "zsh", "5.9_2", "amd64"),
    Package("other", "@angular/core", "17.0.0"),
)
REPORT = Report(
    host="node1.example.org",
    packages=PACKAGES,
    site="MY-SITE",
    tag="worker",
    machine="0" * 32,
    system='Ünïx "9" <b>',
    os_id="almalinux",
    os_version="9.4",
    kernel="5.14.0",
    arch="x86_64",
    cpu="a CPU",
    made=1_700_000_000,
    interval=86400,
    missing=(Missing("apk", "the list: cannot be read"),),
)
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp")), min_size=1)


@pytest.mark.parametrize("write", [write_document, write_bom])
def test_what_is_written_is_read_again(write: Callable[[Report], bytes]) -> None:
    assert parse_report(write(REPORT)) == REPORT


def test_the_text_format_is_known_by_its_first_line() -> None:
    assert parse_report(write_text(REPORT)).host == REPORT.host


@given(
    st.builds(
        Package, st.sampled_from(["dpkg", "python", "other", "apk"]), NAMES, NAMES, NAMES, st.just(""), st.just("")
    )
)
def test_a_package_survives_its_url(package: Package) -> None:
    assert parse_purl(build_purl(package, "debian")) == package


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_each_kind_survives_its_url(package: Package) -> None:
    assert parse_purl(build_purl(package, "os")) == package


@pytest.mark.parametrize(
    ("url", "package"),
    [
        ("pkg:deb/debian/curl@7.50.3-1?arch=i386&distro=jessie", Package("dpkg", "curl", "7.50.3-1", "i386")),
        ("pkg:deb/debian/at@3.1?epoch=2", Package("dpkg", "at", "2:3.1")),
        ("pkg:rpm/fedora/curl@7.50.3-1.fc25?arch=i386", Package("rpm", "curl", "0:7.50.3-1.fc25", "i386")),
        (
            "pkg:rpm/rhel/libcurl@7-1.el9?arch=x86_64&epoch=3&upstream=curl-7-1.el9.src.rpm",
            Package("rpm", "libcurl", "3:7-1.el9", "x86_64", "curl", "7-1.el9"),
        ),
        ("pkg:npm/%40angular/animation@12.3.1", Package("other", "@angular/animation", "12.3.1")),
        ("pkg:pypi/django@1.11.1#sub/path", Package("python", "django", "1.11.1")),
    ],
)
def test_urls_of_other_tools_are_understood(url: str, package: Package) -> None:
    assert parse_purl(url) == package


@pytest.mark.parametrize("url", ["", "pkg:", "pkg:deb", "http://example.org/a@1", "pkg:deb/"])
def test_what_is_no_package_url_is_refused(url: str) -> None:
    with pytest.raises(BadReport):
        parse_purl(url)


def test_syfts_own_list_is_read() -> None:
    artifact = {"name": "bash", "version": "5.2-1", "type": "deb", "purl": "pkg:deb/debian/bash@5.2-1?arch=amd64"}
    body = {
        "artifacts": [artifact, {"name": "nothing", "version": ""}, {"name": "tool", "version": "1"}],
        "source": {"name": "image:latest"},
        "distro": {"id": "debian", "versionID": "12", "prettyName": "Debian 12"},
    }
    report = parse_report(json.dumps(body).encode())
    assert report.packages == (Package("dpkg", "bash", "5.2-1", "amd64"), Package("other", "tool", "1"))
    assert (report.host, report.os_id, report.system) == ("image:latest", "debian", "Debian 12")
    assert [entry.source for entry in report.missing] == ["other"]


def change_document(**changes: Any) -> bytes:
    """The document, some of its values others; ``None`` takes one away."""
    body = json.loads(write_document(REPORT)) | changes
    return json.dumps({name: value for name, value in body.items() if value is not None}).encode()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no report"),
        (b"{", "no JSON"),
        (b"{}", "neither"),
        (b"[" * 100_000, "no report"),
        (b'{"a":' * 100_000, "no JSON"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "no JSON"),
        (write_document(REPORT)[:-20], "cut short"),
        (write_bom(REPORT).replace(b"musl", b"muls"), "sum"),
        (write_document(REPORT).replace(b"musl", b"muls"), "sum"),
        (change_document(count=7), "says 7"),
        (change_document(version=2), "version"),
        (change_document(host=""), "host"),
        (change_document(host=["a"]), "host"),
        (change_document(host="a\nb"), "host"),
        (change_document(host="a\ud800"), "host"),
        (change_document(made="yesterday"), "made"),
        (change_document(made=True), "made"),
        (change_document(interval=-1), "interval"),
        (change_document(packages={}), "packages"),
        (change_document(packages=[["rpm", "a"]], count=1), "package 0"),
        (change_document(packages=[["rpm", "a", 5]], count=1), "package 0"),
        (change_document(packages=[["rpm", "a\tb", "1"]], count=1), "package 0"),
        (change_document(packages=[["odd", "a", "1"]], count=1), "kind"),
        (change_document(missing=[1]), "missing"),
    ],
)
def test_a_report_that_cannot_be_believed_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(BadReport, match=reason):
        parse_report(data)


@given(st.binary() | st.builds(lambda text: b'{"format": "headless-inventory", "version": 1,' + text, st.binary()))
def test_no_bytes_are_worse_than_a_bad_report(data: bytes) -> None:
    with contextlib.suppress(BadReport):
        parse_report(data)


def test_every_kind_has_a_url() -> None:
    assert {parse_purl(build_purl(Package(kind, "a", "0:1"))).kind for kind in KINDS} == set(KINDS)


@pytest.mark.parametrize(
    ("timestamp", "made"),
    [
        ("2026-01-31T04:05:06Z", 1_769_832_306),
        ("2026-01-31T04:05:06", 1_769_832_306),
        ("2026-01-31T06:05:06.123+02:00", 1_769_832_306),
        ("2026-01-30T23:05:06.1234567-05:00", 1_769_832_306),
    ],
)
def test_the_time_of_another_tools_list_is_of_its_zone(timestamp: str, made: int) -> None:
    """Taken for UTC, one made in the east would be refused: made in the future."""
    bom = json.loads(write_bom(REPORT))
    bom["metadata"]["timestamp"] = timestamp
    assert parse_report(json.dumps(bom).encode()).made == made


@pytest.mark.parametrize("timestamp", ["yesterday", "2026-02-30T00:00:00Z", "0001-01-01T00:00:00Z"])
def test_a_time_that_cannot_be_is_refused(timestamp: str) -> None:
    bom = json.loads(write_bom(REPORT))
    bom["metadata"]["timestamp"] = timestamp
    with pytest.raises(BadReport):
        parse_report(json.dumps(bom).encode())
