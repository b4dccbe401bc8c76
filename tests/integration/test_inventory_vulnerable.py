"""A collector's own advisories: read beside its work, asked for, taken away by VEX files, and read again."""

import asyncio
import json
import os
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headless.errors import Unavailable
from headless.inventory.document import write_document
from headless.inventory.package import Package
from headless.inventory.report import Report
from headless.inventory.text import write_text
from headless.inventory.web.advice import Advice
from inventory_fleet import AskedCollector, run_asked_collector
from support import HEADLESS, TIME_SCALE, wait_for

SETTINGS = """
[serve]
advisories = ["osv", "tracker.json", "all.zip"]
vex = ["vex"]
"""
VECTORS = Path(__file__).parents[1] / "vectors"
TRACKER = VECTORS / "debian_tracker.json"


def build_advisory(name: str, package: str, fixed: str, **others: Any) -> dict[str, Any]:
    """A record of OSV about AlmaLinux 9."""
    events = [{"introduced": "0"}, {"fixed": fixed}]
    affected = {
        "package": {"ecosystem": "AlmaLinux:9", "name": package},
        "ranges": [{"type": "ECOSYSTEM", "events": events}],
    }
    return {"schema_version": "1.6.7", "id": name, "modified": "2026-01-31T00:00:00Z", "affected": [affected], **others}


def build_vex(vulnerability: str, product: str, status: str, **others: Any) -> dict[str, Any]:
    """A document of OpenVEX."""
    return {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://example.org/vex-1",
        "author": "A Site",
        "timestamp": "2026-02-01T00:00:00Z",
        "version": 1,
        "statements": [
            {"vulnerability": {"name": vulnerability}, "products": [{"@id": product}], "status": status, **others}
        ],
    }


def write_advisories(folder: Path) -> None:
    """Three advisories, one of them of no account as a VEX file has it."""
    (folder / "osv").mkdir()
    (folder / "vex").mkdir()
    openssl = build_advisory(
        "ALSA-1", "openssl", "1:3.0.11-1.el9", upstream=["CVE-2026-1"], database_specific={"severity": "Important"}
    )
    for number, record in enumerate(
        [openssl, build_advisory("ALSA-2", "lib5", "0:2-1.el9"), build_advisory("ALSA-3", "lib6", "0:2-1.el9")]
    ):
        (folder / "osv" / f"{number}.json").write_text(json.dumps(record))
    (folder / "tracker.json").write_text(TRACKER.read_text())
    with zipfile.ZipFile(folder / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted((VECTORS / "osv").iterdir()):
            archive.write(file, file.name)
    vex = build_vex("ALSA-3", "pkg:rpm/almalinux/lib6", "not_affected", justification="vulnerable_code_not_present")
    (folder / "vex" / "site.json").write_text(json.dumps(vex))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where its settings and its advisories are."""
    folder = tmp_path_factory.mktemp("vulnerable")
    write_advisories(folder)
    return folder


@pytest.fixture(scope="module")
def collector(folder: Path) -> Iterator[AskedCollector]:
    """A collector that holds a fleet, and advisories."""
    with run_asked_collector(folder, SETTINGS) as collector:
        wait_for(lambda: collector.get("/api/v1/vulnerable")[0] == 200, "the advisories")
        yield collector


def test_vulnerable_hosts_are_listed(collector: AskedCollector) -> None:
    done = collector.run("vulnerable", "--advisory", "cve-2026-1", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert [(row["site"], row["host"].partition(".")[0], row["advisory"], row["severity"]) for row in told["rows"]] == [
        (site, host, "ALSA-1", "important")
        for site, host in (("ALPHA", "node11"), ("BETA", "wn11"), ("GAMMA", "node11"))
    ]
    first = told["rows"][0]
    assert (first["version"], first["fixed"]) == ("1:3.0.7-28.el9", "1:3.0.11-1.el9")
    assert (first["aliases"], first["os_id"], first["os_version"]) == (["CVE-2026-1"], "almalinux", "9.4")
    assert told["summary"] == {"hosts": 36, "vulnerable": 36, "unknown": 0, "reasons": {}, "found": 3}
    table = collector.run("vulnerable", "--severity", "Important", "--site", "BETA").stdout
    assert table.splitlines()[0].split() == ["SITE", "HOST", "ADVISORY", "SEVERITY", "KIND", "NAME", "VERSION", "FIXED"]
    assert len(table.splitlines()) == 2


def test_all_hosts_page_by_page(collector: AskedCollector) -> None:
    rows, after = [], ""
    while True:
        told = collector.ask("vulnerable", limit="5", tag="SE", after=after)
        rows += told["rows"]
        after = told["next"]
        if not after:
            break
    assert len(rows) == 18 == len({row["host"] + row["site"] for row in rows})
    assert {row["advisory"] for row in rows} == {"ALSA-2"}
    assert {row["site"] for row in collector.ask("vulnerable", "alpha")["rows"]} == {"ALPHA"}
    assert collector.ask("vulnerable", at="2020-01-01")["rows"] == []


def test_what_vex_takes_away_is_told_on_request(collector: AskedCollector) -> None:
    assert collector.ask("vulnerable", advisory="ALSA-3")["rows"] == []
    done = collector.run("vulnerable", "--advisory", "ALSA-3", "--excepted", "--json", "--site", "ALPHA")
    rows = json.loads(done.stdout)["rows"]
    assert len(rows) == 12
    assert {row["exception"] for row in rows} == {"not_affected, vulnerable_code_not_present"}


def test_what_is_vulnerable_is_a_failure_for_who_says_so(collector: AskedCollector) -> None:
    done = collector.run("vulnerable", "--fail", "--advisory", "cve-2026-1", "--csv")
    assert done.returncode == 4 and len(done.stdout.splitlines()) == 4
    assert done.stderr == "headless: advisories are about packages of 3 of 36 hosts\n"
    assert collector.run("vulnerable", "--fail", "--advisory", "ALSA-3").returncode == 0
    assert collector.run("vulnerable", "--fail", "--at", "2020-01-01").returncode == 2


@pytest.mark.parametrize(("words", "said"), [
    (("--advisory", "CVE-1999-1"), "no advisory known here is called 'CVE-1999-1'"),
    (("--severity", "Dire", "--advisory", "ALSA-1"), "no advisory known here has the severity 'Dire': there are "),
    (("--advisory", "cve-2026-1", "--seen-since", "2100-01-01"), "0 hosts were asked about"),
    (("--severity", "Important", "--tag", "SE"), "1 advisory about packages of these hosts tells no severity"),
    (("--severity", "Important", "--tag", "SE", "--advisory", "ALSA-1"), ""),
    (("--site", "BETA"), ""),
])  # fmt: skip
def test_names_that_no_advisory_has_are_told(collector: AskedCollector, words: tuple[str, ...], said: str) -> None:
    done = collector.run("vulnerable", *words)
    assert done.returncode == 0 and said in done.stderr
    assert len(done.stderr.splitlines()) == bool(said)
    if "Dire" in words:
        assert "important" in done.stderr.partition("there are ")[2].strip().split(", ")


def test_they_are_read_again_when_told_and_those_that_are_none_are_told_to_be(
    collector: AskedCollector, folder: Path
) -> None:
    file = folder / "osv" / "0.json"
    good = file.read_text()
    words = ("vulnerable", "--advisory", "ALSA-1")
    known = collector.run(*words)
    assert (known.returncode, known.stderr) == (0, "")
    server = collector.server
    file.write_text("{")
    server.hang_up("advisories-kept")
    assert "0.json: no JSON" in server.log
    for asked in (words, ("conform", "--vulnerable")):
        done = collector.run(*asked)
        assert done.stderr.startswith("headless: the advisories could not be read again, and those of 20"), done.stderr
        assert "0.json: no JSON" in done.stderr.splitlines()[0]
    assert collector.run(*words).stdout == known.stdout
    for path in ("/", "/site/BETA", "/host/BETA/wn1", "/package/lib5"):
        assert "the advisories could not be read again" in collector.get(path)[2].decode().lower()
    assert b"read again" not in collector.get("/login", "")[2]
    file.write_text(good)
    server.hang_up("advisories-read")
    assert (collector.run(*words).stderr, collector.run(*words).stdout) == ("", known.stdout)
    assert b"read again" not in collector.get("/site/BETA")[2]


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("tracker.json", b"{", "tracker.json: no JSON"),
        ("tracker.json", b"[]", "tracker.json: "),
        ("vex/site.json", b"{}", "site.json: neither OpenVEX nor CycloneDX"),
    ],
)
def test_reports_are_taken_though_the_advisories_cannot_be_read_at_the_start(
    tmp_path: Path, name: str, content: bytes, part: str
) -> None:
    write_advisories(tmp_path)
    good = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content)
    with run_asked_collector(tmp_path, SETTINGS) as collector:
        wait_for(lambda: "advisories-unreadable" in collector.server.log, "the error")
        [line] = [line for line in collector.server.log.splitlines() if "advisories-unreadable" in line]
        assert "ERROR" in line and str(tmp_path) in line and part in line
        status, _, body = collector.get("/api/v1/vulnerable")
        assert status == 503 and part in json.loads(body)["error"]
        done = collector.run("vulnerable")
        assert done.returncode == 1 and part in done.stderr and len(done.stderr.splitlines()) == 1
        for path in ("/host/BETA/wn11", "/site/BETA", "/package/openssl"):
            assert part in collector.get(path)[2].decode()
        wait_for(lambda: part in collector.get("/")[2].decode(), "the first page")
        report = write_text(Report("new.example.org", (Package("rpm", "a", "0:1-1", "x86_64"),), "S"))
        assert collector.get("/feed/", "", body=report)[0] == 200
        wait_for(lambda: "new.example.org" in str(collector.ask("hosts")["rows"]), "the report")
        (tmp_path / name).write_bytes(good)
        collector.server.hang_up("advisories-read")
        assert collector.get("/api/v1/vulnerable")[0] == 200


def test_a_path_that_is_not_there_is_an_error_at_the_start(tmp_path: Path) -> None:
    write_advisories(tmp_path)
    (tmp_path / "osv").rename(tmp_path / "elsewhere")
    (tmp_path / "c.toml").write_text(SETTINGS)
    done = subprocess.run(
        [HEADLESS, "inventory", "serve", "--config", str(tmp_path / "c.toml"), "--state", str(tmp_path / "state"),
         "--listen", "127.0.0.1:0"],
        capture_output=True, text=True, env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        timeout=30 * TIME_SCALE, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "osv cannot be read: No such file" in done.stderr.splitlines()[-1] and "Traceback" not in done.stderr


def test_conform_counts_what_is_vulnerable(collector: AskedCollector, tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(
        '[[rule]]\npackage = "kernel"\nkind = "rpm"\nabsent = true\ndeadline = 2100-01-01\n'
    )
    reference = ("--reference", str(tmp_path / "r.toml"))
    done = collector.run("conform", *reference, "--site", "BETA", "--json")
    assert done.returncode == 0 and {row["state"] for row in json.loads(done.stdout)["rows"]} == {"early"}
    done = collector.run("conform", *reference, "--site", "BETA", "--vulnerable", "--fail-on", "overdue", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 4 and "12 of 12 hosts fall short" in done.stderr
    wn11 = [row for row in told["rows"] if row["host"].startswith("wn11.")]
    assert [(row["state"], row["name"], row["wanted"]) for row in wn11] == [
        ("early", "kernel", "absent"),
        ("early", "kernel", "absent"),
        ("vulnerable", "lib5", ">= 0:2-1.el9"),
        ("vulnerable", "openssl", ">= 1:3.0.11-1.el9"),
    ]
    assert wn11[3]["comment"] == "ALSA-1 CVE-2026-1" and wn11[3]["severity"] == "important"
    done = collector.run("conform", "--vulnerable", "--tag", "WN", "--csv")
    assert done.returncode == 4 and done.stdout.count("\n") == 1 + 18 + 3
    done = collector.run("conform", "--site", "BETA")
    assert done.returncode == 2 and "--reference FILE, or --vulnerable" in done.stderr


def test_vex_files_of_the_asker(collector: AskedCollector, folder: Path) -> None:
    given = ("--advisories", str(folder / "osv"), "--vex", str(folder / "vex"), "--json")
    rows = json.loads(collector.run("show", "BETA/wn11", *given).stdout)["rows"]
    marked = {row["name"]: (row["vulnerable"], row["excepted"]) for row in rows if row["vulnerable"] or row["excepted"]}
    assert marked == {
        "openssl": (["ALSA-1 (fixed: 1:3.0.11-1.el9)"], []),
        "lib5": (["ALSA-2 (fixed: 0:2-1.el9)"], []),
        "lib6": ([], ["ALSA-3: not_affected, vulnerable_code_not_present"]),
    }
    done = collector.run("show", "BETA/wn11", "--vex", str(folder / "vex"))
    assert done.returncode == 2 and "give --advisories too" in done.stderr


def test_a_folder_with_none_is_told_and_not_waited_for(tmp_path: Path) -> None:
    async def run() -> str:
        advice = Advice([str(tmp_path)], [])
        advice.check()
        following = asyncio.create_task(advice.run())
        try:
            async with asyncio.timeout(5 * TIME_SCALE):
                while True:
                    await asyncio.sleep(0.02)
                    advice.find_marks()
        except Unavailable as exc:
            return str(exc)
        finally:
            following.cancel()

    assert "no advisory about packages" in asyncio.run(run())


def test_they_are_read_again_when_a_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headless.inventory.web.advice.LOOK_S", 0.05)
    write_advisories(tmp_path)

    async def follow() -> list[int]:
        advice = Advice([str(tmp_path / "osv")], [])
        advice.check()
        following = asyncio.create_task(advice.run())
        counts: list[int] = []

        async def wait_count(count: int) -> None:
            async with asyncio.timeout(20 * TIME_SCALE):
                while (marks := advice.find_marks()) is None or len(marks.advisories) != count:
                    await asyncio.sleep(0.02)
            counts.append(count)

        await wait_count(3)
        (tmp_path / "osv" / "new.part").write_text(json.dumps(build_advisory("ALSA-4", "bash", "0:2-1.el9")))
        (tmp_path / "osv" / "new.part").rename(tmp_path / "osv" / "new.json")
        await wait_count(4)
        (tmp_path / "osv" / "odd.json").write_text("{")  # keeps what there is
        async with asyncio.timeout(20 * TIME_SCALE):
            while not ((marks := advice.find_marks()) and marks.outdated):
                await asyncio.sleep(0.02)
        assert "odd.json: no JSON" in marks.outdated
        assert not following.done()
        (tmp_path / "osv" / "odd.json").unlink()
        (tmp_path / "osv" / "new.json").unlink()
        await wait_count(3)
        marks = advice.find_marks()
        assert marks is not None and not marks.outdated
        following.cancel()
        return counts

    assert asyncio.run(follow()) == [3, 4, 3]


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AskedCollector]:
    """A collector that has the Debian tracker's list alone."""
    folder = tmp_path_factory.mktemp("tracked")
    (folder / "tracker.json").write_text(TRACKER.read_text())
    with run_asked_collector(folder, '[serve]\nadvisories = ["tracker.json"]\n') as collector:
        wait_for(lambda: collector.get("/api/v1/vulnerable")[0] == 200, "the advisories")
        yield collector


def test_who_cannot_be_judged_is_told(tracked: AskedCollector) -> None:
    told = tracked.ask("vulnerable", site="BETA")
    reason = "no advisory is about almalinux 9.4"
    assert told["rows"] == []
    assert told["summary"] == {"hosts": 12, "vulnerable": 0, "unknown": 12, "reasons": {reason: 12}, "found": 0}
    for path in ("/host/BETA/wn1", "/site/BETA"):
        assert reason in tracked.get(path)[2].decode()
    wait_for(lambda: b"0 known to be vulnerable, of 36 not all can be said" in tracked.get("/")[2], "the numbers")
    done = tracked.run("conform", "--vulnerable", "--site", "BETA")
    assert done.returncode == 4 and done.stdout.count(reason) == 12
    done = tracked.run("vulnerable", "--fail", "--site", "BETA")
    assert done.returncode == 2 and done.stderr.endswith("headless: nothing was judged: of no host all can be said\n")


def test_while_they_are_read_nothing_is_marked_and_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "osv").mkdir()
    os.mkfifo(tmp_path / "osv" / "a.json")  # whoever reads it waits until somebody writes
    record = json.dumps(build_advisory("ALSA-1", "openssl", "1:3.0.11-1.el9"))
    with run_asked_collector(tmp_path, '[serve]\nadvisories = ["osv"]\n') as collector:
        status, headers, body = collector.get("/api/v1/vulnerable")
        assert (status, headers["retry-after"]) == (503, "10") and b"being read" in body
        done = collector.run("vulnerable")
        assert done.returncode == 1 and "the advisories are being read" in done.stderr
        for path in ("/host/BETA/wn11", "/site/BETA", "/package/openssl"):
            assert b"being read: nothing is marked yet" in collector.get(path)[2]
        wait_for(lambda: b"the advisories are being read" in collector.get("/")[2], "the first page")
        (tmp_path / "osv" / "a.json").write_text(record)
        (tmp_path / "osv" / "new").write_text(record)
        (tmp_path / "osv" / "new").rename(tmp_path / "osv" / "a.json")
        wait_for(lambda: collector.get("/api/v1/vulnerable")[0] == 200, "the advisories")
        wait_for(lambda: b"3 known to be vulnerable" in collector.get("/")[2], "the numbers")
        assert b"being read" not in collector.get("/host/BETA/wn11")[2]


def test_a_debian_host_that_reports_is_judged_by_its_source_packages(tracked: AskedCollector) -> None:
    libssl = Package("dpkg", "libssl3", "3.0.13-1~deb12u1", "amd64", "openssl")
    report = Report("a.example.org", (libssl,), "S", os_id="debian", os_version="12", system="Debian GNU/Linux 12")
    for body in (write_document(report), write_text(replace(report, host="b.example.org"))):
        assert tracked.get("/feed/", "", body=body)[0] == 200
    wait_for(lambda: len(tracked.ask("hosts")["rows"]) == 38, "the reports")
    told = tracked.ask("vulnerable", site="S")
    assert [(row["host"], row["name"], row["advisory"], row["fixed"], row["severity"]) for row in told["rows"]] == [
        ("a.example.org", "libssl3", "CVE-2026-90001", "3.0.14-1~deb12u2", ""),
        ("a.example.org", "libssl3", "CVE-2026-90004", "", "low"),
    ]
    reason = "advisories go by source packages, and it tells none"  # the text format cannot
    assert told["summary"]["reasons"] == {reason: 1} and told["summary"]["vulnerable"] == 1
    assert "CVE-2026-90001 (fixed: 3.0.14-1~deb12u2)" in tracked.get("/host/S/a")[2].decode()
    assert reason in tracked.get("/host/S/b")[2].decode()
