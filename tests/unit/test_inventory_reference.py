"""References: what falls short of them, how late it is, and files that are none."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headless.errors import ParameterError
from headless.inventory.os_release import parse_system
from headless.inventory.package import Package
from headless.inventory.reference import State, build_reference, judge_host
from headless.inventory.reference_file import parse_reference, read_reference
from headless.inventory.report import Missing, Report
from headless.inventory.rule import HostFacts
from headless.inventory.verdict import build_row, falls_short, format_row
from inventory_support import judge

OPENSSL = Package("rpm", "openssl-libs", "1:3.0.7-27.el9", "x86_64", "openssl")
KERNELS = (
    Package("rpm", "kernel", "0:5.14.0-427.el9", "x86_64"),
    Package("rpm", "kernel", "0:5.14.0-427.13.1.el9_4", "x86_64"),
)
TELNET = Package("rpm", "telnet-server", "1:0.17-85.el9", "x86_64")
PIP = Package("python", "OpenSSL.libs", "1.0")
PACKAGES = (OPENSSL, *KERNELS, TELNET, PIP)
HOST = HostFacts("node1", "MY-SITE", "wn", "almalinux", "9.4")
DAY = 86400
JANUARY_31 = 1769817600  # 2026-01-31T00:00:00Z


def shortfalls(
    rule: str, packages: Sequence[Package] = PACKAGES, host: HostFacts = HOST, now: float = JANUARY_31
) -> list[tuple[str, str, State]]:
    """The shortfalls of one rule, written without its head."""
    reference = parse_reference(f"[[rule]]\n{rule}".encode(), "test")
    found = judge(reference, host, packages, now)
    return [
        (shortfall.package.name, shortfall.package.version, shortfall.state)
        if shortfall.package
        else ("", "", shortfall.state)
        for shortfall in found
    ]


SHORT = [("openssl-libs", "1:3.0.7-27.el9", State.DUE)]
NONE: list[tuple[str, str, State]] = []


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ('package="openssl-libs"\nversion=">= 3.0.14"', SHORT),
        ('package="openssl-libs"\nversion=">= 3.0.7"', NONE),
        ('package="openssl-libs"\nversion=">= 1:3.0.7-28.el9"', SHORT),
        ('package="openssl-libs"\nversion="= 3.0.7-27.el9"', NONE),
        ('package="openssl-libs"\nversion="=== 1:3.0.7-27.el9"', NONE),
        ('package="openssl-libs"\nversion="!= 3.0.6, != 3.0.7"', SHORT),
        ('package="openssl-libs"\nversion=[">= 3.0.14", "= 1:3.0.7-27.el9"]', NONE),
        ('package="openssl-libs"\nversion=[">= 3.0.14", "< 3"]', SHORT),
        ('package="src:openssl"\nversion=">= 3.0.14"', SHORT),
        ('package="openssl*"\nversion=">= 3.0.14"', SHORT),
        ('package="openssl"\nversion=">= 3.0.14"', NONE),
        ('package="openssl"\nversion=">= 3.0.14"\nrequired=true', [("", "", State.DUE)]),
        ('package="openssl-libs"\nrequired=true', NONE),
        ('package="telnet*"\nabsent=true', [("telnet-server", "1:0.17-85.el9", State.DUE)]),
        ('package="rsh-server"\nabsent=true', NONE),
        ('package="kernel"\nversion=">= 5.14.0-427.13.1.el9_4"', [("kernel", "0:5.14.0-427.el9", State.DUE)]),
        ('package="kernel"\nversion=">= 5.14.0-427.13.1.el9_4"\nany=true', NONE),
        ('package="kernel"\nversion="> 6"\nany=true', [("kernel", kernel.version, State.DUE) for kernel in KERNELS]),
        ('package="openssl.libs"\nkind="python"\nversion=">2"', [("OpenSSL.libs", "1.0", State.DUE)]),
        ('package="openssl.libs"\nversion=">2"', NONE),
        ('package="OpenSSL*"\nkind=["python","rpm"]\nversion=">2"', [("OpenSSL.libs", "1.0", State.DUE)]),
        ('package="openssl-libs"\nkind="dpkg"\nversion=">= 3.0.14"', NONE),
    ],
)
def test_what_falls_short(rule: str, expected: list[tuple[str, str, State]]) -> None:
    assert shortfalls(rule) == expected


@pytest.mark.parametrize(
    ("where", "is_meant"),
    [
        ('os="almalinux"', True),
        ('os="almalinux:9"', True),
        ('os="almalinux:9.4"', True),
        ('os="almalinux:9.5"', False),
        ('os="almalinux:94"', False),
        ('os="el:9"', True),
        ('os="*:9"', True),
        ('os=["debian:12","rocky:9"]', False),
        ('tag="wn"', True),
        ('tag=["w*","ce"]', True),
        ('tag="ce"', False),
        ('site="MY-*"', True),
        ('site="my-site"', False),
        ('site="MY-SITE"\ntag="ce"', False),
    ],
)
def test_whom_a_rule_is_meant_for(where: str, is_meant: bool) -> None:
    rule = f'package="openssl-libs"\nversion=">= 3.0.14"\n{where}'
    assert shortfalls(rule) == (SHORT if is_meant else NONE)
    assert parse_reference(f"[[rule]]\n{rule}".encode(), "").applies_any(HOST) == is_meant


@pytest.mark.parametrize(
    ("deadline", "now", "state"),
    [
        ("", JANUARY_31, State.DUE),
        ("deadline=2026-01-31", JANUARY_31 + DAY - 1, State.EARLY),
        ("deadline=2026-01-31", JANUARY_31 + DAY, State.OVERDUE),
        ("deadline=2026-01-31\ngrace=14", JANUARY_31 + DAY - 1, State.EARLY),
        ("deadline=2026-01-31\ngrace=14", JANUARY_31 + DAY, State.DUE),
        ("deadline=2026-01-31\ngrace=14", JANUARY_31 + 15 * DAY - 1, State.DUE),
        ('deadline="2026-01-31"\ngrace=14', JANUARY_31 + 15 * DAY, State.OVERDUE),
    ],
)
def test_how_late_it_is(deadline: str, now: float, state: State) -> None:
    rule = f'package="openssl-libs"\nversion=">= 3.0.14"\n{deadline}'
    assert [shortfall[2] for shortfall in shortfalls(rule, now=now)] == [state]


def test_what_a_host_has_not_told_does_not_conform() -> None:
    unread = HostFacts("n", os_id="debian", os_version="12", missing=frozenset({"rpm"}))
    unnamed = HostFacts("n")
    sourceless = HostFacts("n", os_id="debian", tells_sources=False)
    unknown = [("", "", State.UNKNOWN)]
    assert shortfalls('package="bash"\nversion="> 5"', host=unread) == unknown
    assert shortfalls('package="bash"\nkind="dpkg"\nversion="> 5"', host=unread) == NONE
    assert shortfalls('package="bash"\nrequired=true', host=unread) == unknown
    assert shortfalls('package="openssl-libs"\nversion="> 5"', host=unread) == SHORT
    assert shortfalls('package="openssl-libs"\nversion="> 5"', host=unnamed) == SHORT
    assert shortfalls('package="openssl-libs"\nversion="> 5"\nos="el:9"', host=unnamed) == unknown
    assert shortfalls('package="openssl-libs"\nversion="> 5"\nos="el:9"\nsite="X"', host=unnamed) == NONE
    assert shortfalls('package="src:bash"\nversion="> 5"', host=sourceless) == unknown


def test_facts_of_a_report_whose_system_is_told_as_text_only() -> None:
    report = Report("n", (OPENSSL,), system="AlmaLinux release 9.4 (Seafoam Ocelot)", missing=(Missing("dpkg", "x"),))
    assert HostFacts.from_report(report) == HostFacts("n", "", "", "almalinux", "9.4", frozenset({"dpkg"}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("AlmaLinux release 9.4 (Seafoam Ocelot)", ("almalinux", "9.4")),
        ("AlmaLinux 9.4 (Seafoam Ocelot)", ("almalinux", "9.4")),
        ("Red Hat Enterprise Linux release 8.10 (Ootpa)", ("rhel", "8.10")),
        ("CentOS Linux release 7.9.2009 (Core)", ("centos", "7.9.2009")),
        ("CentOS Stream release 9", ("centos", "9")),
        ("Scientific Linux release 6.10 (Carbon)", ("scientific", "6.10")),
        ("Debian GNU/Linux 12 (bookworm)", ("debian", "12")),
        ("Ubuntu 22.04.4 LTS", ("ubuntu", "22.04")),
        ("Alpine Linux v3.19", ("alpine", "3.19")),
        ("SUSE Linux Enterprise Server 15 SP5", ("sles", "15.5")),
        ("openSUSE Leap 15.5", ("opensuse-leap", "15.5")),
        ("Debian GNU/Linux trixie/sid", ("debian", "")),
        ("Plan 9", ("", "")),
        ("", ("", "")),
    ],
)
def test_systems_told_as_text(text: str, expected: tuple[str, str]) -> None:
    assert parse_system(text) == expected


def test_a_list_of_what_is_installed_somewhere_is_a_reference() -> None:
    reference = build_reference("golden", PACKAGES)
    assert judge(reference, HOST, PACKAGES, 0) == []
    newer = OPENSSL._replace(version="1:3.0.7-28.el9")
    found = judge(reference, HOST, (newer, KERNELS[1], PIP), 0)
    rows = [build_row(HOST, shortfall) for shortfall in found]
    assert [(row.name, row.version, row.wanted) for row in rows] == [
        ("openssl-libs", newer.version, "=== 1:3.0.7-27.el9"),
        ("telnet-server", "", "=== 1:0.17-85.el9"),
    ]
    with pytest.raises(ValueError, match="everything would conform"):
        build_reference("empty", ())


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"", "no rule in it"),
        (b"# nothing\n", "no rule in it"),
        (b"rule = []", "no rule in it"),
        (b"rule = 7", "no rule in it"),
        (b"[rule]\npackage='x'\nabsent=true", "no rule in it"),
        (b"rule = [7]", "rule 1: a table"),
        (b"\xff", "no TOML"),
        (b"a = [" * 100_000, "no TOML"),
        (b"a = " + b"9" * 10_000, "no TOML"),
        (b"[[rules]]\npackage='x'", "'rules' is not known"),
        (b"[[rule]]\nversion='> 1'", "rule 1: it has no 'package'"),
        (b"[[rule]]\npackage=7", "'package': a text"),
        (b"[[rule]]\npackage='a b'\nabsent=true", "rule 1 ('a b'): 'a b' is no package's name"),
        (b"[[rule]]\npackage='x'\nabsent=true\n[[rule]]\npackage='y'", "rule 2 ('y'): it wants nothing"),
        (b"[[rule]]\npackage='x'\nversion='3'", "'version': '3': one of"),
        (b"[[rule]]\npackage='x'\nversion=3", "'version': a text or a list"),
        (b"[[rule]]\npackage='x'\nversion=[]", "'version': a text or a list"),
        (b"[[rule]]\npackage='x'\nversion='> 1'\nabsent=true", "'absent' stands alone"),
        (b"[[rule]]\npackage='x'\nabsent='yes'", "'absent': true or false"),
        (b"[[rule]]\npackage='x'\nabsent=true\nkind='deb'", "'kind': 'deb' is not known"),
        (b"[[rule]]\npackage='x'\nabsent=true\nos='Alma Linux'", "is no system"),
        (b"[[rule]]\npackage='x'\nabsent=true\nsite=['']", "'site': a text or a list"),
        (b"[[rule]]\npackage='x'\nabsent=true\ndeadline=2026-01-31T00:00:00", "'deadline': a day"),
        (b"[[rule]]\npackage='x'\nabsent=true\ndeadline='2026-02-30'", "there is no day 2026-02-30"),
        (b"[[rule]]\npackage='x'\nabsent=true\ndeadline=9999-12-31", "'deadline': a day"),
        (b"[[rule]]\npackage='x'\nabsent=true\ngrace=7", "'grace' needs a 'deadline'"),
        (b"[[rule]]\npackage='x'\nabsent=true\ndeadline=2026-01-31\ngrace=true", "'grace': a number"),
        (b"[[rule]]\npackage='x'\nabsent=true\nseverity='bad'", "'severity': one of"),
        (b"[[rule]]\npackage='x'\nabsent=true\nlink='javascript:1'", "'link': a URL"),
        (b"[[rule]]\npackage='x'\nabsent=true\nversoin='1'", "'versoin' is not known: known are absent"),
    ],
)
def test_what_is_no_reference_is_said_in_a_line(data: bytes, part: str) -> None:
    with pytest.raises(ParameterError) as caught:
        parse_reference(data, "x")
    assert part in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_a_file_that_cannot_be_read_is_said() -> None:
    with pytest.raises(ParameterError, match=r"/none\.toml: No such file"):
        read_reference("/none.toml")
    with pytest.raises(ParameterError, match="/: Is a directory"):
        read_reference("/")


def test_what_stands_at_the_top_is_for_all_rules() -> None:
    reference = parse_reference(
        b"name='Baseline'\ndeadline=2026-01-31\ngrace=7\nseverity='high'\n[[rule]]\npackage='a'\nabsent=true\n"
        b"[[rule]]\npackage='b'\nabsent=true\nseverity='low'\ngrace=0\n",
        "x",
    )
    assert reference.name == "Baseline"
    assert [(rule.severity, rule.grace_s, rule.deadline) for rule in reference.rules] == [
        ("high", 7 * DAY, JANUARY_31 + DAY),
        ("low", 0, JANUARY_31 + DAY),
    ]


def test_a_line_for_people() -> None:
    rule = 'package="openssl-libs"\nversion=">= 3.0.14"\ndeadline=2026-01-31\nseverity="high"\ncomment="CVE-1"'
    reference = parse_reference(f"[[rule]]\n{rule}\nlink='https://example.org/'".encode(), "x")
    host = HostFacts("evil\x1b[31m\n", "S", os_id="debian")
    (row,) = [build_row(host, shortfall) for shortfall in judge(reference, host, PACKAGES, JANUARY_31)]
    assert format_row(row) == (
        "S/evil?[31m?: early: rpm openssl-libs 1:3.0.7-27.el9, wanted >= 3.0.14 by 2026-01-31 (high, CVE-1) "
        "https://example.org/"
    )


@pytest.mark.parametrize(
    ("state", "since"),
    [(state, since) for state in State for since in (State.EARLY, State.DUE, State.OVERDUE)],
)
def test_from_when_on_a_shortfall_is_a_failure(state: State, since: State) -> None:
    reference = build_reference("x", (OPENSSL,))
    row = build_row(HOST, judge(reference, HOST, (), 0)[0])._replace(state=state.value)
    order = [State.EARLY, State.DUE, State.OVERDUE, State.UNKNOWN]
    assert falls_short([row], since) == (order.index(state) >= order.index(since))
    assert not falls_short([], since)


@settings(deadline=None)
@given(st.lists(st.sampled_from(PACKAGES), unique=True), st.lists(st.sampled_from(PACKAGES), unique=True))
def test_faults_of_a_set_are_found_once_and_hold_for_every_host(packages: list[Package], others: list[Package]) -> None:
    text = '[[rule]]\npackage="openssl*"\nversion=">5"\n[[rule]]\npackage="kernel"\nversion=">6"\nrequired=true\n'
    reference = parse_reference((text + '[[rule]]\npackage="telnet-server"\nabsent=true\nsite="A"\n').encode(), "x")
    reference.find_faults(others)  # what was found of other sets changes nothing
    faults = reference.find_faults(packages)
    for site in ("A", "B"):
        host = HostFacts("n", site, os_id="rhel")
        fresh = parse_reference((text + '[[rule]]\npackage="telnet-server"\nabsent=true\nsite="A"\n').encode(), "x")
        assert judge_host(reference, faults, host, 0) == judge(fresh, host, packages, 0)


def test_a_list_that_could_not_be_read_is_the_reason_also_where_sources_are_asked_for() -> None:
    reference = parse_reference(b'[[rule]]\npackage="src:openssl"\nversion=">= 3"', "test")
    report = Report(host="a", packages=(), missing=(Missing("dpkg", "cut short"),), os_id="debian", os_version="12")
    [found] = judge(reference, HostFacts.from_report(report), (), JANUARY_31)
    assert (found.state, found.reason) == (State.UNKNOWN, "the host could not read: dpkg")
