"""A set of packages judged once, for all hosts that have it."""

from pathlib import Path

from headless.inventory.advisory_files import read_advisories
from headless.inventory.package import Package
from headless.inventory.reference import build_reference
from headless.inventory.reference_file import parse_reference
from headless.inventory.rule import HostFacts
from headless.inventory.standard import JudgedSet, Standard
from headless.inventory.verdict import build_row
from inventory_support import judge

OSV = str(Path(__file__).parents[1] / "vectors" / "osv")
LIBSSL = Package("dpkg", "libssl3", "3.0.13-1~deb12u1", "amd64", "openssl")
PACKAGES = (LIBSSL, Package("dpkg", "telnetd", "0.17-44", "amd64", "netkit-telnet"))
RULES = b"""
[[rule]]
package = "telnetd"
absent = true
site = "A"
[[rule]]
package = "src:openssl"
version = ">= 3.0.14"
os = "debian:12"
deadline = 2026-01-31
"""
HOSTS = [
    HostFacts(name, site, "", os_id, "12")
    for site in ("A", "B")
    for os_id in ("debian", "ubuntu", "")
    for name in ("n1", "n2")
]


def test_each_host_gets_what_it_would_get_alone() -> None:
    standard = Standard((parse_reference(RULES, "x"), build_reference("y", PACKAGES[:1])), None, 0.0)
    judged = JudgedSet(standard, PACKAGES)
    for host in HOSTS * 2:
        alone = [
            build_row(host, shortfall)
            for reference in standard.references
            for shortfall in judge(reference, host, PACKAGES, 0.0)
        ]
        assert judged.build_rows(host) == alone
    assert {len(judged.build_rows(host)) for host in HOSTS} == {0, 1, 2}


def test_vulnerable_packages_and_gaps_of_each_system() -> None:
    judged = JudgedSet(Standard((), read_advisories([OSV]), 0.0), PACKAGES)
    told = {host.os_id: [(row.state, row.name, row.comment) for row in judged.build_rows(host)] for host in HOSTS}
    assert told == {
        "debian": [("vulnerable", "libssl3", "DSA-9001-1 CVE-2026-90001")],
        "ubuntu": [("unknown", "vulnerabilities", "no advisory is about ubuntu 12")],
        "": [("unknown", "vulnerabilities", "no advisory is about 12")],
    }


def test_whether_there_is_anything_to_judge_by() -> None:
    reference = parse_reference(b'[[rule]]\npackage="x"\nabsent=true\nsite="A"\n', "x")
    assert [Standard((reference,), None, 0).is_meant_for(HostFacts("n", site)) for site in "AB"] == [True, False]
    assert Standard((reference,), read_advisories([OSV]), 0).is_meant_for(HostFacts("n", "B"))
    assert not Standard((), None, 0).is_meant_for(HostFacts("n"))
