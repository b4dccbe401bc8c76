"""What is known to be vulnerable, marked on the pages, in a real browser."""

import json
from collections.abc import Iterator

import pytest

from chromium import Page, run_chromium
from inventory_fleet import EVIL, AskedCollector, run_asked_collector
from support import wait_for

SETTINGS = '[serve]\nadvisories = ["osv.json"]\nvex = ["vex.json"]\n'


def build_records() -> list[dict[str, object]]:
    """Records of OSV: about an old openssl, about a package with an evil name, and one that is taken away."""
    named = {"ALSA-1": ("openssl", "1:3.0.11-1.el9"), "ALSA-2": (EVIL, "0:2-1"), "ALSA-3": ("lib6", "0:2-1.el9")}
    return [
        {
            "schema_version": "1.6.7",
            "id": name,
            "modified": "2026-01-31T00:00:00Z",
            "affected": [
                {
                    "package": {"ecosystem": "AlmaLinux:9", "name": package},
                    "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}],
                }
            ],
        }
        for name, (package, fixed) in named.items()
    ]


VEX = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.5",
    "version": 1,
    "components": [{"type": "library", "bom-ref": "six", "name": "lib6", "purl": "pkg:rpm/almalinux/lib6"}],
    "vulnerabilities": [
        {
            "id": "ALSA-3",
            "analysis": {"state": "not_affected", "justification": "code_not_reachable"},
            "affects": [{"ref": "six"}],
        }
    ],
}


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AskedCollector]:
    """A collector that holds a fleet, and advisories."""
    folder = tmp_path_factory.mktemp("marks")
    (folder / "osv.json").write_text(json.dumps(build_records()))
    (folder / "vex.json").write_text(json.dumps(VEX))
    with run_asked_collector(folder, SETTINGS) as collector:
        wait_for(lambda: collector.get("/api/v1/vulnerable")[0] == 200, "the advisories")
        yield collector


@pytest.fixture(scope="module")
def page(collector: AskedCollector) -> Iterator[Page]:
    """A page whose reader has logged in."""
    with run_chromium() as page:
        page.open(collector.url)
        page.wait("location.pathname == '/login' && document.querySelector('input[name=token]') !== null")
        token = collector.tokens["all"].read_text().strip()
        page.evaluate(f"document.querySelector('input[name=token]').value = {token!r}")
        page.evaluate("document.querySelector('main form').submit()")
        page.wait("location.pathname == '/' && document.querySelector('tbody tr') !== null")
        yield page


def read_table(page: Page, number: int) -> list[list[str]]:
    """The cells of a table."""
    rows = f"document.querySelectorAll('table')[{number}].tBodies[0].rows"
    found: list[list[str]] = page.evaluate(f"[...{rows}].map(row => [...row.cells].map(cell => cell.innerText.trim()))")
    return found


def count_vulnerable(collector: AskedCollector, **given: str) -> int:
    """How many hosts the API names."""
    rows = collector.ask("vulnerable", limit="1000", **given)["rows"]
    return len({(row["site"], row["host"]) for row in rows})


def test_the_start_page_counts_vulnerable_hosts(page: Page, collector: AskedCollector) -> None:
    page.open(collector.url)
    page.wait("document.querySelector('tbody tr') !== null")
    counts = [count_vulnerable(collector, site=site) for site in ("ALPHA", "BETA", "GAMMA")]
    assert f"{sum(counts)} known to be vulnerable" in page.text
    assert [row[4] for row in read_table(page, 0)] == [str(count) for count in counts]
    assert 3 <= sum(counts) < 36  # else it says nothing


def test_a_site_counts_its_own(page: Page, collector: AskedCollector) -> None:
    page.open(f"{collector.url}/site/BETA")
    assert f"{count_vulnerable(collector, site='BETA')} of 12 hosts have packages that are known" in page.text


def test_a_host_shows_which_of_its_packages(page: Page, collector: AskedCollector) -> None:
    page.open(f"{collector.url}/host/BETA/wn11")
    assert read_table(page, 0) == [["openssl", "1:3.0.7-28.el9", "ALSA-1 (fixed: 1:3.0.11-1.el9)"]]
    marked = {row[1]: row[5] for row in read_table(page, 2) if row[5]}
    assert marked == {"openssl": "ALSA-1 (fixed: 1:3.0.11-1.el9)"}
    page.open(f"{collector.url}/host/BETA/wn0")
    known = count_vulnerable(collector, site="BETA", advisory="ALSA-2") > 0
    assert known
    host = collector.ask("vulnerable", site="BETA", advisory="ALSA-2")["rows"][0]["host"]
    page.open(f"{collector.url}/host/BETA/{host}")
    assert read_table(page, 0) == [[EVIL, "0:1-1", "ALSA-2 (fixed: 0:2-1)"]]
    assert page.evaluate("document.querySelectorAll('script').length") == 0


def test_a_package_shows_which_of_its_versions(page: Page, collector: AskedCollector) -> None:
    page.open(f"{collector.url}/package/openssl")
    assert [(row[2], row[5]) for row in read_table(page, 0)] == [
        ("1:3.0.7-28.el9", "ALSA-1 (fixed: 1:3.0.11-1.el9)"),
        ("1:3.0.11-28.el9", ""),
    ] * 3
    page.open(f"{collector.url}/package/lib6")
    assert {row[5] for row in read_table(page, 0)} == {""}
