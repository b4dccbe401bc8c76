"""Requirements: what they match, and what they say when they are none."""

import pytest

from headless.errors import ParameterError
from headless.inventory.package import Package
from headless.inventory.requirement import parse_requirement

LIBSSL = Package("dpkg", "libssl3", "3.0.13-1~deb12u1", "amd64", "openssl")
PERL = Package("dpkg", "libperl5.36", "5.36.0-7+deb12u1", "amd64", "perl", "5.36.0-7")
OPENSSL = Package("rpm", "openssl-libs", "1:3.0.7-28.el9", "x86_64", "openssl")
GPP = Package("dpkg", "g++", "4:12.2.0-3", "amd64", "gcc-defaults", "1.203")
YAML = Package("python", "ruamel.YAML_x", "0.18.6")


@pytest.mark.parametrize(
    ("text", "package", "is_met"),
    [
        ("libssl3", LIBSSL, True),
        ("openssl", LIBSSL, False),
        ("src:openssl", LIBSSL, True),
        ("src:openssl<3.0.14", LIBSSL, True),
        ("src:openssl >= 3.0.14", LIBSSL, False),
        ("src:libssl3", LIBSSL, False),
        ("libssl3=3.0.13", LIBSSL, True),
        ("libssl3==3.0.13-1~deb12u1", LIBSSL, True),
        ("libssl3!=3.0.13", LIBSSL, False),
        ("libssl3<3.0.13-1", LIBSSL, True),
        ("libssl*<=3.0.13", LIBSSL, True),
        ("libssl?", LIBSSL, True),
        ("libssl", LIBSSL, False),
        ("LIBSSL3", LIBSSL, False),
        ("libssl3===3.0.13", LIBSSL, False),
        ("libssl3===0:3.0.13-1~deb12u1", LIBSSL, True),
        ("libssl3>=3.0,<3.0.14", LIBSSL, True),
        ("libssl3 >= 3.0 , < 3.0.13", LIBSSL, False),
        ("libssl3<<3.0.14", LIBSSL, True),
        ("libssl3>>3.0.12", LIBSSL, True),
        ("src:perl=5.36.0-7", PERL, True),
        ("libperl5.36=5.36.0-7", PERL, False),
        ("openssl-libs<3.0.14", OPENSSL, True),
        ("openssl-libs<0:3.0.14", OPENSSL, False),
        ("openssl-libs>=1:3.0.7-28.el9", OPENSSL, True),
        ("g++>12", GPP, True),
        ("src:gcc-defaults<2", GPP, True),
        ("Ruamel-yaml.x>0.9", YAML, True),
        ("ruamel-*", YAML, True),
        ("************************************x", YAML, True),
        ("*r*" * 40 + "y", YAML, False),
        ("[r]uamel*", YAML, False),
    ],
)
def test_what_is_met(text: str, package: Package, is_met: bool) -> None:
    assert parse_requirement(text).matches(package) == is_met


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "NAME is expected"),
        ("<3", "NAME is expected"),
        ("src:", "no package's name"),
        ("a b", "NAME is expected"),
        ("openssl<", "one of < <= = != >= > === and"),
        ("openssl<3<4", "one of < <= = != >= > === and"),
        ("openssl=>3", "'=>' compares nothing"),
        ("openssl~=3", "NAME is expected"),
        ("openssl<3,", "one of < <= = != >= > === and"),
        ("openssl<3\x1b[0m", "one of < <= = != >= > === and"),
        ("open\x1bssl", "no package's name"),
        ("openssl<" + "3 " * 10_000, "one of < <= = != >= > === and"),
    ],
)
def test_what_is_none_is_said_in_a_line(text: str, part: str) -> None:
    with pytest.raises(ParameterError) as caught:
        parse_requirement(text)
    assert part in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 250


def test_it_writes_itself() -> None:
    assert str(parse_requirement("src:openssl>=3,<3.0.14")) == "src:openssl >= 3, < 3.0.14"
    assert str(parse_requirement("bash")) == "bash"
