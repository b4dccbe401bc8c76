"""Questions on real databases, beside the same answers found the slow way."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from asked_fleet import ALL, ALPHA, NOW, Fleet
from headless.errors import ParameterError, Unavailable
from headless.inventory.advisories import Advisories, Affected, Event
from headless.inventory.ask import marks as looking
from headless.inventory.ask.marking import mark_host
from headless.inventory.ask.marks import Marks
from headless.inventory.ask.memory import Memory
from headless.inventory.ask.page import Page
from headless.inventory.ask.results import Results
from headless.inventory.ask.view import View
from headless.inventory.collect.access import NOTHING, Scope
from headless.inventory.dates import build_date
from headless.inventory.requirement import parse_requirement
from inventory_fleet import DAY, SITES, find_states

REFERENCE = b"""
[[rule]]
package = "openssl"
kind = "rpm"
version = ">= 3.0.11"
deadline = "2026-09-19"

[[rule]]
package = "lib5"
kind = "rpm"
absent = true
tag = "SE"
site = ["ALPHA", "BETA"]
"""


@pytest.mark.parametrize(
    "text", ["openssl<3.0.11", "openssl", "lib1>=1.1-3", "kernel", "typing-extensions>4.13", "lib?"]
)
@pytest.mark.parametrize("days", [0, 1, 2.5, 9])
def test_who_has_is_what_a_look_at_every_report_finds(fleet: Fleet, text: str, days: float) -> None:
    at, requirement = int(NOW - days * DAY), parse_requirement(text)
    expected = Counter(
        (site, host, *package[:3])
        for (site, host), report in find_states(fleet.reports, at).items()
        for package in report.packages
        if requirement.matches(package)
    )
    for limit in (7, 1000):
        rows = fleet.ask("who-has", requirement=text, at=at, limit=limit)
        found = Counter((row["site"], row["host"], row["kind"], row["name"], row["version"]) for row in rows)
        assert found == expected
        assert [row["site"] for row in rows] == sorted(row["site"] for row in rows)


def test_hosts_are_listed_once_each_in_pages_of_any_size(fleet: Fleet) -> None:
    expected = {(site, host, report.tag, len(report.packages), report.kernel, report.made)
                for (site, host), report in find_states(fleet.reports, NOW).items()}  # fmt: skip
    for limit in (1, 5, 100):
        rows = fleet.ask("hosts", limit=limit)
        found = [(r["site"], r["host"], r["tag"], r["packages"], r["kernel"], r["last"]) for r in rows]
        assert len(found) == len(expected) and set(found) == expected
    assert len(fleet.ask("hosts", site="BETA", tag="SE")) == 6


def test_an_asker_sees_the_hosts_of_his_sites_and_nothing_of_others(fleet: Fleet) -> None:
    assert {row["site"] for row in fleet.ask("hosts", scope=ALPHA)} == {"ALPHA"}
    assert {row["site"] for row in fleet.ask("census", scope=ALPHA, package="openssl")} == {"ALPHA"}
    assert max(row["hosts"] for row in fleet.ask("packages", scope=ALPHA)) == 12
    assert fleet.ask("show", scope=ALPHA, host="node1")  # GAMMA's of the same name is none for him
    for site in ("BETA", "NOWHERE"):
        with pytest.raises(ParameterError, match=r"there is no site '[A-Z]*' that you may see"):
            fleet.ask("hosts", scope=ALPHA, site=site)
    for host in ("wn1", "BETA/wn1", "wn1.beta.example.org"):
        with pytest.raises(ParameterError, match="that you may see"):
            fleet.ask("show", scope=ALPHA, host=host)
    asked: dict[str, dict[str, Any]] = {"hosts": {}, "packages": {}, "who-has": {"requirement": "ssl"}, "silent": {}}
    for question, needed in asked.items():
        assert fleet.ask(question, scope=NOTHING, **needed) == []


def test_packages_and_census_count_hosts(fleet: Fleet) -> None:
    states = find_states(fleet.reports, NOW)
    expected = Counter(tuple(package) for report in states.values() for package in report.packages)
    rows = fleet.ask("packages", limit=10)
    names = ("kind", "name", "version", "arch", "source", "source_version")
    assert {tuple(row[name] for name in names): row["hosts"] for row in rows} == expected
    assert len(rows) == len(expected)
    census = fleet.ask("census", package="openssl", limit=2)
    assert [(row["site"], row["version"], row["hosts"]) for row in census] == [
        (site, f"1:3.0.{patch}-28.el9", hosts) for site in SITES for patch, hosts in ((7, 1), (11, 11))
    ]


def test_a_name_that_several_hosts_have_is_asked_back(fleet: Fleet) -> None:
    with pytest.raises(ParameterError, match=r"2 hosts: say which of ALPHA/node1\.example\.org, GAMMA/node1\.example"):
        fleet.ask("show", host="node1")
    rows = fleet.ask("show", host="GAMMA/node1", limit=9)
    report = find_states(fleet.reports, NOW)["GAMMA", "node1.example.org"]
    assert [tuple(row.values()) for row in rows] == sorted(tuple(package) for package in report.packages)
    assert fleet.ask_page("show", Page(1), host="BETA/wn1").summary["os_id"] == "almalinux"  # type: ignore[index]


def test_diff_of_hosts_sites_tags_and_dates(fleet: Fleet) -> None:
    then = "2026-09-18T00:00:00Z"
    rows = fleet.ask("diff", a=f"BETA/wn1@{then}", b="BETA/wn1", limit=2)
    changes = {row["name"]: (row["a"], row["b"], row["change"]) for row in rows}
    assert changes["openssl"] == ({"1:3.0.7-28.el9": 1}, {"1:3.0.11-28.el9": 1}, "upgraded")
    assert changes["kernel"][0].keys() ^ changes["kernel"][1].keys()
    assert {"lib0", "lib1", "lib2"} < set(changes) and "lib3" not in changes
    rows = fleet.ask("diff", a="tag:SE", b="tag:WN")  # the silent hosts are all WN
    assert next(row for row in rows if row["name"] == "openssl")["b"] == {"1:3.0.7-28.el9": 3, "1:3.0.11-28.el9": 15}
    assert fleet.ask("diff", a="site:ALPHA", b="site:ALPHA") == []
    with pytest.raises(ParameterError, match="no site 'NOWHERE'"):
        fleet.ask("diff", a="site:NOWHERE", b="site:ALPHA")


def test_history_tells_what_changed_each_time(fleet: Fleet) -> None:
    rows = fleet.ask("history", host="BETA/wn3", limit=1)
    assert [(row["added"], row["removed"], row["changed"]) for row in rows] == [
        (0, 0, 0),
        (0, 0, 4),
        (0, 0, 5),
        (1, 0, 4),
    ]
    assert "openssl.x86_64 1:3.0.7-28.el9 -> 1:3.0.11-28.el9" in rows[2]["changes"]
    assert [row["first"] for row in rows] == [r.made for r in fleet.reports if r.host.startswith("wn3.")]


def test_drift_groups_equal_hosts_the_largest_first(fleet: Fleet) -> None:
    reports = [report for (site, _), report in find_states(fleet.reports, NOW).items() if site == "ALPHA"]
    sizes = Counter(frozenset(report.packages) for report in reports)
    rows = fleet.ask("drift", site="ALPHA", limit=1)
    assert [row["hosts"] for row in rows] == sorted(sizes.values(), reverse=True)
    assert (rows[0]["added"], rows[0]["removed"], rows[0]["changed"], rows[0]["changes"]) == (0, 0, 0, [])
    hosts = {row["host"]: row["set"] for row in fleet.ask("hosts", site="ALPHA")}
    assert all(hosts[row["example"]] == row["set"] for row in rows)
    assert sum(row["hosts"] for row in rows) == 12


def test_silent_hosts_and_those_left_out(fleet: Fleet) -> None:
    silent = {(row["site"], row["host"].partition(".")[0]) for row in fleet.ask("silent")}
    assert silent == {("ALPHA", "node11"), ("BETA", "wn11"), ("GAMMA", "node11")}
    assert len(fleet.ask("silent", since=NOW)) == 36
    assert len(fleet.ask("hosts", seen_since=NOW - 2 * DAY)) == 33
    assert max(row["hosts"] for row in fleet.ask("packages", seen_since=NOW - 2 * DAY)) == 33


@pytest.mark.parametrize("least", [1, 2, 3, 30])
@pytest.mark.parametrize("days", [0, 0.4, 0.6, 1.6, 2.6, 40])
def test_silent_hosts_have_missed_so_many_reports(fleet: Fleet, least: int, days: float) -> None:
    at = int(NOW + days * DAY)
    states = find_states(fleet.reports, at)
    expected = {
        key: (at - report.made) // DAY for key, report in states.items() if at - report.made > (least + 0.5) * DAY
    }
    found = {(row["site"], row["host"]): row["missed"] for row in fleet.ask("silent", at=at, missed=least, limit=5)}
    assert found == expected and min(found.values(), default=least) >= least
    if least == 1:
        assert fleet.ask("silent", at=at) == fleet.ask("silent", at=at, missed=1)


def test_what_says_nothing_of_missed_reports_is_refused(fleet: Fleet) -> None:
    wrong: tuple[dict[str, Any], ...] = ({"missed": 0}, {"missed": 10_001}, {"missed": 2, "since": NOW})
    for given in wrong:
        with pytest.raises(ParameterError, match="missed"):
            fleet.ask("silent", **given)
    assert fleet.ask("silent", missed=10_000) == []


def test_conform_judges_every_host(fleet: Fleet) -> None:
    found = fleet.ask("conform", body=REFERENCE, limit=3)
    short = {(row["site"], row["host"].partition(".")[0], row["name"], row["state"]) for row in found}
    openssl = {(site, host, "openssl", "overdue") for site, host in _silent()}
    lib5 = {
        (site, report.host.partition(".")[0], "lib5", "due")
        for (site, _), report in find_states(fleet.reports, NOW).items()
        if report.tag == "SE" and site != "GAMMA"
    }
    assert short == openssl | lib5 and len(found) == len(short)
    summary = fleet.ask_page("conform", Page(1), body=REFERENCE).summary
    assert summary == {"hosts": 36, "judged": 36, "early": 15, "due": 15, "overdue": 3}
    with pytest.raises(ParameterError, match="no TOML"):
        fleet.ask("conform", body=b"[[")


def test_what_is_missing_makes_a_host_unknown(fleet: Fleet) -> None:
    body = b'[[rule]]\npackage = "apt"\nversion = ">= 2"\nrequired = true\nkind = "dpkg"\n'
    states = Counter(row["state"] for row in fleet.ask("conform", body=body))
    assert states == {"due": 33, "unknown": 3}


def _silent() -> list[tuple[str, str]]:
    return [("ALPHA", "node11"), ("BETA", "wn11"), ("GAMMA", "node11")]


def test_a_key_of_another_question_is_refused_or_means_a_place(fleet: Fleet) -> None:
    asked: dict[str, dict[str, Any]] = {
        "hosts": {},
        "packages": {},
        "history": {"host": "wn1"},
        "drift": {"site": "BETA"},
    }
    for after in ((NOW, "x"), (NOW, 1, 2, 3), (NOW, "ALPHA", "x", "y")):
        for question, needed in asked.items():
            try:
                fleet.ask_page(question, Page(10, after), **needed)
            except ParameterError as exc:
                assert "after" in str(exc)


def test_vulnerable_is_what_a_look_at_every_report_finds(fleet: Fleet) -> None:
    with pytest.raises(ParameterError, match="no advisories"):
        fleet.ask("vulnerable")
    fleet.marks = lambda: None
    with pytest.raises(Unavailable, match="being read"):
        fleet.ask("vulnerable")
    marks = Marks(_build_advisories())
    fleet.marks = lambda: marks
    for at in (NOW - 2 * DAY, NOW):
        expected = Counter(
            (site, host, found.id, *found.package[:3], found.fixed)
            for (site, host), report in find_states(fleet.reports, at).items()
            for found in _build_advisories().find(report.os_id, report.os_version, report.packages)
        )
        names = ("site", "host", "advisory", "kind", "name", "version", "fixed")
        for limit in (7, 1000, 1000):
            rows = fleet.ask("vulnerable", at=at, limit=limit)
            assert Counter(tuple(row[name] for name in names) for row in rows) == expected
    assert {row["site"] for row in fleet.ask("vulnerable", scope=ALPHA)} == {"ALPHA"}
    assert {row["advisory"] for row in fleet.ask("vulnerable", severity="HIGH")} == {"A-2"}
    assert fleet.ask_page("vulnerable", Page(1), advisory="A-1").summary == {
        "hosts": 36, "vulnerable": 36, "unknown": 0, "reasons": {}, "found": 3
    }  # fmt: skip
    fleet.marks = None


def test_what_was_looked_up_is_forgotten_above_a_limit_and_found_again(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hosts may call their systems as they like: each takes a place of its own."""

    def ask(marks: Marks) -> Any:
        [row, *_] = fleet.ask("hosts")
        name = f"{row['site']}/{row['host']}"
        of_a_page = fleet.look(lambda view: mark_host(replace(view, marks=lambda: marks), name))
        fleet.marks = lambda: marks
        return fleet.ask("vulnerable"), fleet.ask("conform", vulnerable=True, body=REFERENCE), of_a_page

    fleet.memory = Memory()
    marks = Marks(_build_advisories())
    expected = ask(marks)
    assert marks._looked and all(expected)
    monkeypatch.setattr(looking, "BYTES_LIMIT", 0)
    marks = Marks(_build_advisories())
    assert ask(marks) == expected and sum(map(len, marks._looked.values())) <= 1
    fleet.marks = None


def _build_advisories() -> Advisories:
    advisories = Advisories()
    for name, package, fixed, severity in (
        ("A-1", "openssl", "1:3.0.11-1.el9", ""),
        ("A-2", "kernel", "0:5.14.0-3.el9", "high"),
        ("A-3", "lib1", "0:1.1-9.el9", ""),
    ):
        events = (Event("introduced", "0"), Event("fixed", fixed))
        advisories.add("AlmaLinux:9", package, Affected(name, ranges=(events,), severity=severity))
    return advisories


QUESTIONS_OF_PAGES: list[tuple[str, dict[str, Any]]] = [
    ("packages", {}),
    ("packages", {"pattern": "lib*", "site": "ALPHA"}),
    ("census", {"package": "lib*"}),
    ("who-has", {"requirement": "lib1>=1.1-3"}),
    ("hosts", {"tag": "SE"}),
    ("diff", {"a": f"site:ALPHA@{build_date(NOW - 3 * DAY)}", "b": "tag:SE"}),
    ("conform", {"body": REFERENCE}),
    ("silent", {"since": NOW}),
]


@pytest.mark.parametrize(("question", "given"), QUESTIONS_OF_PAGES)
@pytest.mark.parametrize("scope", [ALL, ALPHA])
def test_pages_are_the_same_kept_or_found_anew(
    fleet: Fleet, question: str, given: dict[str, Any], scope: Scope
) -> None:
    whole = fleet.ask_page(question, Page(10_000), scope=scope, **given)
    for forgets in (False, True):
        rows, after = [], ()
        while True:
            page = fleet.ask_page(question, Page(3, after), scope=scope, **given)
            assert page.summary == whole.summary
            rows += page.rows
            if not page.next:
                break
            after = page.next
            if forgets:
                fleet.memory.results = Results()
            fleet.ask_page(question, Page(3), scope=ALPHA if scope is ALL else ALL, **{**given, "at": NOW - DAY})
        assert rows == whole.rows


@pytest.mark.parametrize(("question", "given"), QUESTIONS_OF_PAGES)
def test_a_second_page_counts_nothing(
    fleet: Fleet, question: str, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fleet.ask_page(question, Page(3), **given)

    def count(*_: object) -> None:
        raise AssertionError("counted anew")

    monkeypatch.setattr(View, "_read_groups", count)
    monkeypatch.setattr(Memory, "iterate_members", count)
    assert fleet.ask_page(question, Page(3, first.next), **given).rows
