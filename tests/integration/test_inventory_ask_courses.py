"""Names that are searched for, and the versions of a package over time, on real databases."""

import pytest

from asked_fleet import ALL, ALPHA, NOW, Fleet
from headless.inventory.ask import stays
from headless.inventory.ask.names import find_names
from headless.inventory.ask.versions_over_time import Course, follow_versions
from headless.inventory.ask.view import View
from headless.inventory.collect.access import Scope
from headless.inventory.selector import Selector
from inventory_fleet import DAY, EVIL, SITES, find_states


@pytest.mark.parametrize(
    "text", ["alp", "WN1", "node1.", "node1.example", "node1.other", "no_e", "Typing", "LIB1", "zz"]
)
@pytest.mark.parametrize("scope", [ALL, ALPHA])
def test_names_begin_with_what_is_searched_for(fleet: Fleet, text: str, scope: Scope) -> None:
    states = find_states(fleet.reports, NOW)
    hosts = {key for key in states if scope.may_read(key[0]) and key[1].startswith(text.lower())}
    packages = {package.name for report in states.values() for package in report.packages}
    found = fleet.look(lambda view: find_names(view, text), scope=scope)
    assert found.sites == [site for site in SITES if scope.may_read(site) and site.lower().startswith(text.lower())]
    assert {(site, host) for site, host, _ in found.hosts} == hosts and len(found.hosts) == len(hosts)
    expected = sorted(name for name in packages if name.lower().startswith(text.lower()) and scope is ALL)
    assert sorted(found.packages) == expected


@pytest.mark.parametrize("name", ["openssl", "kernel", "lib1", EVIL, "Typing_Extensions", "none"])
@pytest.mark.parametrize("scope", [ALL, ALPHA])
@pytest.mark.parametrize(("at", "days"), [(NOW, 90), (NOW, 2), (NOW - 2 * DAY, 90), (NOW, 300)])
def test_the_course_of_versions_is_what_was_at_each_time(
    fleet: Fleet, name: str, scope: Scope, at: int, days: int
) -> None:
    course = fleet.look(lambda view: follow_versions(view, Selector(name), days), scope=scope, at=at)
    expected: dict[str, list[int]] = {}
    for place, time in enumerate(course.times):
        for (site, _), report in find_states(fleet.reports, time).items():
            for version in {package.version for package in report.packages if package.name == name}:
                if scope.may_read(site):
                    expected.setdefault(version, [0] * len(course.times))[place] += 1
    assert course.versions == expected
    assert not course.times or course.times[-1] == at
    assert (
        fleet.look(lambda view: follow_versions(view, Selector(name), days), scope=scope, at=at, is_again=True)
        == course
    )


def test_the_courses_of_other_packages_at_the_same_time_are_of_the_same_count(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:

    def follow(view: View) -> Course:
        return follow_versions(view, Selector("kernel"), 90)

    expected = fleet.look(follow)
    fleet.look(lambda view: follow_versions(view, Selector("openssl"), 90))
    monkeypatch.setattr(stays, "_count_stays", lambda *_: {})
    assert fleet.look(follow, is_again=True) == expected
    for scope, at in ((ALPHA, NOW), (ALL, NOW - 1)):
        found = fleet.look(
            lambda view: follow_versions(view, Selector("kernel"), 90), scope=scope, at=at, is_again=True
        )
        assert found != expected
