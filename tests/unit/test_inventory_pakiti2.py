"""The forms of Pakiti 2's clients: both encodings, and what their shell does to them."""

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headless.inventory.formats import parse_report
from headless.inventory.package import Package
from headless.inventory.pakiti2 import is_form, parse_form
from headless.inventory.report import BadReport

FIELDS = {
    "type": "rpm",
    "host": "node1.example.org",
    "tag": "Pakiti client",
    "kernel": "5.14.0%2brt",
    "arch": "x86_64",
    "version": "4",
    "os": "AlmaLinux release 9.4 (Seafoam Ocelot)",
    "report": "0",
    "proxy": "0",
}
RPMS = "'bash' '0:5.1.8' '9.el9' 'x86_64'\n'libstdc%2b%2b' '0:11.5.0' '2.el9' 'x86_64'\n'gpg-pubkey' '0:1' '2' '0'\n"
DEBS = "'adduser' '3.134' '' 'all'\n'g%2b%2b' '4:12.2.0-3' '' 'amd64'\n"


def write_pairs(fields: dict[str, str], packages: str) -> bytes:
    """As the client does it by hand: a line end before the packages, and two bytes too few."""
    words = "&".join(f"{name}={value}" for name, value in fields.items())
    return f"{words}&pkgs=\n{packages}".encode()[:-2]


def write_parts(fields: dict[str, str], packages: str) -> bytes:
    """As curl does it."""
    parts = [
        f'--------xyz\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in {**fields, "pkgs": packages}.items()
    ]
    return "".join([*parts, "--------xyz--\r\n"]).encode()


@pytest.mark.parametrize("write", [write_pairs, write_parts])
def test_rpm(write: object) -> None:
    assert callable(write)
    report = parse_report(write(FIELDS, RPMS))
    assert (report.host, report.tag, report.kernel) == ("node1.example.org", "Pakiti client", "5.14.0+rt")
    assert (report.arch, report.system) == ("x86_64", "AlmaLinux release 9.4 (Seafoam Ocelot)")
    assert report.packages == (
        Package("rpm", "bash", "0:5.1.8-9.el9", "x86_64"),
        Package("rpm", "libstdc++", "0:11.5.0-2.el9", "x86_64"),
    )


@pytest.mark.parametrize("write", [write_pairs, write_parts])
def test_dpkg(write: object) -> None:
    assert callable(write)
    report = parse_report(write({**FIELDS, "type": "dpkg", "site": "MY-SITE"}, DEBS))
    assert report.site == "MY-SITE"
    assert report.packages == (
        Package("dpkg", "adduser", "3.134", "all"),
        Package("dpkg", "g++", "4:12.2.0-3", "amd64"),
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (write_pairs({**FIELDS, "version": "3"}, RPMS), "version '3'"),
        (write_pairs({**FIELDS, "type": "msi"}, RPMS), "type 'msi'"),
        (write_pairs({**FIELDS, "host": ""}, RPMS), "no field 'host'"),
        (write_pairs(FIELDS, "'bash' '0:5.1.8'\n'more'\n"), "package 1"),
        (write_pairs(FIELDS, "'bash' '0:5' '9' 'x86_64\n'zsh' '0:5' '9' 'x86_64'\n"), "package 1"),
        (write_parts(FIELDS, RPMS)[:-20], "cut short"),
        (write_pairs({**FIELDS, "kernel": "a&host=other"}, RPMS), "two fields 'host'"),
    ],
)
def test_what_is_not_believed(data: bytes, reason: str) -> None:
    with pytest.raises(BadReport, match=reason):
        parse_form(data)


def test_the_other_formats_are_no_forms() -> None:
    for data in (b"#\nhost: a=b&c\n#\n#\n", b"{}", b"\x30\x82", b"-----BEGIN PKCS7-----\n", b"", b"name\t1=2\tx"):
        assert not is_form(data), data


@given(st.binary(max_size=200), st.sampled_from([write_pairs(FIELDS, RPMS), write_parts(FIELDS, RPMS)]), st.data())
def test_any_damage_is_refused_or_read(piece: bytes, form: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(form)))
    with contextlib.suppress(BadReport):
        parse_form(form[:place] + piece + form[place + len(piece) :])


def test_a_head_that_repeats_itself_takes_no_time() -> None:
    # Searched to its end from each of its beginnings, this would take half a minute, with all else standing still.
    form = b"--x\n" + b"content-disposition: form-data;" * 10_000 + b"\n\nvalue\n--x--\n"
    before = time.process_time()
    with pytest.raises(BadReport):
        parse_report(form)
    assert time.process_time() - before < 5
