"""Tokens with an end, at a real collector: counted until then, then refused, and told why."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from inventory_fleet import AskedCollector, run_asked_collector
from inventory_server import write_report
from inventory_support import make_report
from support import wait_for

SETTINGS = """
[feeds.relay]
sites = ["*"]
tokens = ["short"]

[feeds.open]
sites = ["*"]
networks = ["127.0.0.1"]
tokens = ["short"]
"""
PAST = 1_000_000_000


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AskedCollector]:
    """A collector with a token "short" that has ended, and "long", which has not."""
    with run_asked_collector(tmp_path_factory.mktemp("expiry"), SETTINGS, [make_report()]) as collector:
        for name in ("short", "long"):
            collector.tokens[name] = collector.grant(name, "--role", "admin", "--expires", "30")
            assert collector.run("hosts", token=name).returncode == 0
        assert send(collector, "/relay/")[0] == 200
        file = collector.server.state / "access.json"
        grants = json.loads(file.read_text())
        file.write_text(
            json.dumps([{**grant, "expires": PAST} if grant["name"] == "short" else grant for grant in grants])
        )
        yield collector


def send(collector: AskedCollector, path: str) -> tuple[int, bytes]:
    """Send a report with the token."""
    status, _, body = collector.get(path, "short", body=write_report("a.example.org"))
    return status, body


def test_who_asks_is_refused_and_told_why(collector: AskedCollector) -> None:
    status, headers, body = collector.get("/api/v1/hosts", "short")
    reason = "access has ended (2001-09-09T01:46:40Z): ask the collector's keeper for a new token"
    assert (status, json.loads(body)) == (401, {"error": reason})
    assert "www-authenticate" in headers
    done = collector.run("hosts", token="short")
    assert done.returncode == 5 and "access has ended (2001-09-09T01:46:40Z)" in done.stderr
    assert collector.run("hosts", token="long").returncode == 0
    line = "action=may-not-ask name='short' reason="
    wait_for(lambda: line in collector.server.log, "a line of the log")
    assert collector.server.log.count(line) == 1


def test_who_sends_is_refused_and_told_why(collector: AskedCollector, tmp_path: Path) -> None:
    status, body = send(collector, "/relay/")
    assert status == 401 and b"access has ended" in body
    wait_for(lambda: "may-not-send feed=relay" in collector.server.log, "a line of the log")
    line = next(line for line in collector.server.log.splitlines() if "may-not-send feed=relay" in line)
    assert "address='127.0.0.1'" in line and "token='short'" in line and "access has ended" in line
    report = tmp_path / "report"
    report.write_bytes(write_report("a.example.org"))
    words = ("report", "--input", str(report), "--to", f"{collector.url}/relay/", "--spool", str(tmp_path / "spool"))
    done = collector.run(*words, "--token-file", str(collector.tokens["short"]))
    assert done.returncode == 5 and "access has ended" in done.stderr
    assert send(collector, "/open/")[0] == 200  # the network may, whatever it shows


def test_the_pages_say_why_nobody_gets_in(collector: AskedCollector) -> None:
    token = collector.tokens["short"].read_text().strip()
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    status, _, page = collector.get("/login", "", body=f"token={token}".encode(), headers=form)
    assert status == 403 and b"Access has ended (2001-09-09T01:46:40Z)" in page
    status, headers, _ = collector.get("/", "", headers={"Cookie": f"headless-inventory={token}"})
    assert (status, headers["location"]) == (303, "/login")


def test_the_list_shows_ends(collector: AskedCollector) -> None:
    done = collector.run("token", "list", "--state", str(collector.server.state), token="")
    ends = {line.split("\t")[0]: line.split("\t")[5] for line in done.stdout.splitlines()}
    assert (ends["short"], ends["all"]) == ("ended 2001-09-09 01:46:40", "-")
    assert ends["long"].startswith("until ")


def test_an_end_that_has_passed_is_refused(collector: AskedCollector) -> None:
    words = ("token", "add", "late", "--site", "S", "--state", str(collector.server.state), "--expires")
    for end, reason in (("2001-09-09", "has passed"), ("tomorrow", "is no time")):
        done = collector.run(*words, end, token="")
        assert done.returncode == 2 and reason in done.stderr
    assert "late" not in (collector.server.state / "access.json").read_text()
