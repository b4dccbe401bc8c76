"""The text format of reports."""

from collections.abc import Callable

import pytest

from headless.inventory.package import Package
from headless.inventory.report import BadReport, Missing, Report
from headless.inventory.text import parse_text, write_text

PACKAGES = (
    Package("rpm", "bash", "0:5.1.8-9.el9", "x86_64"),
    Package("rpm", "Kernel", "0:5.14.0-427.el9", "x86_64"),
    Package("rpm", "bind-libs", "32:9.16.23-18.el9", "x86_64"),
)
REPORT = Report(
    host="node1.example.org",
    packages=PACKAGES,
    site="MY-SITE",
    system="AlmaLinux release 9.4 (Seafoam Ocelot)",
    kernel="5.14.0-427.el9.x86_64",
    arch="x86_64",
)
PLAIN = b"""#
arch: x86_64
host: node1.example.org
kernel: 5.14.0-427.el9.x86_64
packager: rpm
site: MY-SITE
system: AlmaLinux release 9.4 (Seafoam Ocelot)
version: 1
#
Kernel\t0:5.14.0-427.el9\tx86_64
bash\t0:5.1.8-9.el9\tx86_64
bind-libs\t32:9.16.23-18.el9\tx86_64
#
"""


def test_plain_is_byte_for_byte_what_the_existing_clients_write() -> None:
    assert write_text(REPORT, plain=True) == PLAIN


def test_what_is_written_is_read_again() -> None:
    report = parse_text(write_text(REPORT))
    assert sorted(report.packages) == sorted(PACKAGES)
    assert (report.host, report.site, report.system) == (REPORT.host, REPORT.site, REPORT.system)


def test_packages_that_the_format_cannot_tell_are_told_to_be_missing() -> None:
    mixed = Report(host="a", packages=(*PACKAGES, Package("python", "click", "8.2.0")))
    assert [entry.source for entry in parse_text(write_text(mixed)).missing] == ["python"]


def test_what_could_not_be_read_is_told() -> None:
    report = Report(host="a", packages=PACKAGES, missing=(Missing("apk", "no such file"),))
    assert parse_text(write_text(report)).missing == (Missing("apk", "no such file"),)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: data[:-2], "cut short"),
        (lambda data: data.replace(b"bash\t0:5.1.8-9.el9\tx86_64\n", b""), "3"),
        (lambda data: data.replace(b"5.1.8", b"5.1.9"), "sha256"),
        (lambda data: data.replace(b"bash", b"ba\0h"), "NUL"),
        (lambda data: data.replace(b"host: ", b"host: other\nhost: "), "two headers"),
        (lambda data: data.replace(b"version: 1", b"version: 2"), "version: 1"),
        (lambda data: b"", "no report"),
    ],
)
def test_a_report_that_cannot_be_believed_is_refused(change: Callable[[bytes], bytes], reason: str) -> None:
    with pytest.raises(BadReport, match=reason):
        parse_text(change(write_text(REPORT)))


@pytest.mark.parametrize("line", [b"bash 5.1 x86_64", b"bash\t5.1", b"\t5.1\tx86_64", b"bash\t\tx86_64"])
def test_a_line_that_is_no_package_is_refused(line: bytes) -> None:
    with pytest.raises(BadReport, match="line 10"):
        parse_text(PLAIN.replace(b"Kernel\t0:5.14.0-427.el9\tx86_64", line))


def test_line_ends_epochs_and_latin_1_of_other_clients_are_understood() -> None:
    data = PLAIN.replace(b"0:5.1.8", b"(none):5.1.8").replace(b"Seafoam", b"S\xe9afoam").replace(b"\n", b"\r\n")
    report = parse_text(data)
    assert Package("rpm", "bash", "0:5.1.8-9.el9", "x86_64") in report.packages
    assert "S\xe9afoam" in report.system
