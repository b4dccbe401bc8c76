"""A site's page: hosts of one name are told apart, and what could not be read is no removal."""

import re
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from headless.inventory.package import Package
from headless.inventory.report import Missing, Report
from inventory_fleet import AskedCollector, run_asked_collector

LIBS = tuple(Package("dpkg", f"lib{number}", "1", "amd64") for number in range(7))


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AskedCollector]:
    """One with two hosts called vm, and one that could not read its packages."""
    vm = Report(host="vm", site="S", packages=LIBS, machine="1" * 32, made=int(time.time()) - 60)
    sick = replace(vm, host="sick", packages=(), missing=(Missing("dpkg", "cut short"),))
    reports = [vm, replace(vm, machine="2" * 32), sick]
    with run_asked_collector(tmp_path_factory.mktemp("page"), reports=reports) as collector:
        yield collector


def read_rows(page: str, number: int) -> list[list[str]]:
    """The cells of a table's rows, as they are seen."""
    table = re.findall(r"<tbody>.*?</tbody>", page, re.DOTALL)[number]
    rows = re.findall(r"<tr.*?</tr>", table, re.DOTALL)
    return [[re.sub("<[^>]*>", "", cell) for cell in re.findall(r"<td.*?</td>", row, re.DOTALL)] for row in rows]


def test_hosts_of_one_name_are_told_apart(collector: AskedCollector) -> None:
    page = collector.get("/site/S")[2].decode()
    hosts = collector.ask("hosts")["rows"]
    numbers = {row["id"] for row in hosts if row["host"] == "vm"}
    assert [row[0] for row in read_rows(page, 1)] == ["sick", *(f"vm#{number}" for number in sorted(numbers))]
    for number in numbers:
        assert f'href="/host/S/vm%23{number}"' in page
        assert collector.get(f"/host/S/vm%23{number}")[0] == 200
    assert [line.split()[1] for line in collector.run("hosts").stdout.splitlines()[2:]] == [
        f"vm#{number}" for number in sorted(numbers)
    ]


def test_what_could_not_be_read_is_no_removal(collector: AskedCollector) -> None:
    page = collector.get("/site/S")[2].decode()
    assert [row[:6] for row in read_rows(page, 0)] == [
        ["2", "7", "0", "0", "0", ""],
        ["1", "0", "0", "0", "0", "? dpkg was not read"],
    ]
    assert read_rows(page, 1)[0][4] == "0 (dpkg not read)"
    done = collector.run("drift", "S")
    assert done.stderr == "headless: 1 of 3 hosts could not read dpkg: what it has of it is not known\n"
    assert "- lib0" not in done.stdout and "? dpkg was not read" in done.stdout
