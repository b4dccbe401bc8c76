"""What is said where an answer cannot know: of hosts that never told it, of rules and names that mean nothing here."""

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from headless.inventory.package import Package
from headless.inventory.report import Report
from headless.inventory.text import parse_text, write_text
from inventory_fleet import AskedCollector, run_asked_collector
from support import HEADLESS, wait_for

BASH = Package("dpkg", "bash", "5.2-1", "amd64")
VECTORS = Path(__file__).parents[1] / "vectors"
LIBSSL = Package("dpkg", "libssl3", "3.0.13-1", "amd64", "openssl")


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AskedCollector]:
    """One that has hosts of both formats: at ALPHA one of each, at BETA two by text, at GAMMA one that tells all."""
    made = int(time.time()) - 60
    whole = Report(
        host="json1.a", site="ALPHA", tag="WN", packages=(BASH, LIBSSL), made=made, os_id="debian", os_version="12"
    )
    text = parse_text(write_text(replace(whole, host="text1.a")))
    assert not any(package.source for package in text.packages)
    others = [replace(text, host=f"text{number}.b", site="BETA", tag="SE") for number in (2, 3)]
    rpm = (Package("rpm", "zlib", "0:1-1.el9", "x86_64"), Package("rpm", "zlib-devel", "0:1-1.el9", "x86_64", "zlib"))
    last = replace(whole, host="json4.c", site="GAMMA", tag="", packages=rpm, os_id="almalinux", os_version="9.4")
    folder = tmp_path_factory.mktemp("unknowing")
    (folder / "tracker.json").write_text((VECTORS / "debian_tracker.json").read_text())
    settings = '[serve]\nadvisories = ["tracker.json"]\n'
    with run_asked_collector(folder, settings, [whole, text, *others, last]) as collector:
        wait_for(lambda: collector.get("/api/v1/vulnerable")[0] == 200, "the advisories")
        yield collector


def test_hosts_that_advisories_cannot_judge_are_counted_with_the_reasons(collector: AskedCollector) -> None:
    done = collector.run("vulnerable")
    assert done.returncode == 0
    assert done.stderr == (
        "headless: of 4 of 5 hosts not all can be said: advisories go by source packages, and it tells none (3); "
        "no advisory is about almalinux 9.4 (1)\n"
    )
    assert len(collector.ask("vulnerable", "alpha")["notes"]) == 1
    assert collector.ask("vulnerable", "alpha")["notes"][0].startswith("of 1 of 2 hosts")


@pytest.mark.parametrize(("words", "token", "rows", "number"), [
    (("who-has", "src:openssl<3.0.14"), "all", 1, 3),
    (("who-has", "src:openssl<3.0.14"), "alpha", 1, 1),
    (("who-has", "src:openssl<3.0.14", "--kind", "dpkg", "--site", "BETA"), "all", 0, 2),
    (("census", "src:openssl"), "all", 1, 3),
    (("packages", "--pattern", "src:openssl"), "all", 1, 3),
    # What hosts by text have under that very name is found, and those that tell nothing of dpkg are not meant.
    (("who-has", "src:bash"), "all", 4, 0),
    (("packages", "--pattern", "src:zlib", "--kind", "rpm"), "all", 2, 0),
    (("who-has", "bash>6"), "all", 0, 0),
])  # fmt: skip
def test_hosts_that_tell_no_source_packages_are_counted(
    collector: AskedCollector, words: tuple[str, ...], token: str, rows: int, number: int
) -> None:
    hosts, them = ("host tells", "it") if number == 1 else ("hosts tell", "them")
    said = f"headless: {number} {hosts} no source packages and may have it: let {them} report with --format json\n"
    done = collector.run(*words, "--json", token=token)
    assert (done.returncode, done.stderr) == (0, said if number else "")
    assert len(json.loads(done.stdout)["rows"]) == rows


def test_the_api_tells_it_on_the_first_page(collector: AskedCollector) -> None:
    for question, given in (("census", {"package": "src:zlib"}), ("who-has", {"requirement": "src:zlib"})):
        first = collector.ask(question, limit="1", **given)
        assert len(first["notes"]) == 1 and first["notes"][0].startswith("3 hosts tell no source packages")
        if first["next"]:
            second = collector.ask(question, limit="1", after=first["next"], **given)
            assert second["rows"] and "notes" not in second


RULES = """
[[rule]]
package = "openssl"
os = ["debain:12", "el:8"]
tag = "WN"
version = ">= 3.0.14"

[[rule]]
package = "bash"
site = "ALPHA"
version = ">= 5"
"""
IDLE = "rule 1 ('openssl') is meant for no host here (os 'debain:12' or 'el:8', tag 'WN')"


def test_conform_tells_which_rules_are_meant_for_no_host_and_what_was_not_judged(
    collector: AskedCollector, tmp_path: Path
) -> None:
    (tmp_path / "rules.toml").write_text(RULES)
    words = ("conform", "--reference", str(tmp_path / "rules.toml"))
    done = collector.run(*words)
    partly = "2 of 5 hosts are judged: no rule is meant for the others"
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"headless: {IDLE}\nheadless: {partly}\n"
    done = collector.run(*words, token="alpha")
    assert (done.returncode, done.stderr) == (0, f"headless: {IDLE}\n")
    done = collector.run(*words, "--site", "GAMMA")
    other = "rule 2 ('bash') is meant for no host here (site 'ALPHA')"
    assert done.returncode == 2 and done.stderr.splitlines()[:2] == [f"headless: {IDLE}", f"headless: {other}"]
    _, _, body = collector.get("/api/v1/conform", body=RULES.encode())
    assert json.loads(body)["notes"] == [IDLE, partly]


TYPOS = """
[[rule]]
package = "bsh"
version = ">= 99"

[[rule]]
package = "src:openssl"
version = ">= 3"

[[rule]]
package = "src:opnessl"
version = ">= 99"

[[rule]]
package = "zlib"
version = ">= 0"

[[rule]]
package = "telnet"
absent = true

[[rule]]
package = "b?h*"
version = ">= 99"

[[rule]]
package = "opnessl"
site = "NOWHERE"
version = ">= 99"
"""


@pytest.mark.parametrize(("token", "numbers"), [("all", [1, 3]), ("alpha", [1, 3, 4])])
def test_conform_names_the_rules_on_packages_that_nobody_has_ever_reported(
    collector: AskedCollector, token: str, numbers: list[int]
) -> None:
    _, _, body = collector.get("/api/v1/conform", token, body=TYPOS.encode())
    notes = [note for note in json.loads(body)["notes"] if "has ever reported" in note]
    names = {1: "bsh", 3: "src:opnessl", 4: "zlib"}
    said = "no host that you may see has ever reported a package"
    assert notes == [f"rule {number}: {said} {names[number]!r}" for number in numbers]


def test_check_tells_it_too(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(RULES)
    report = Report(host="a", site="ALPHA", tag="WN", packages=(BASH,), os_id="debian", os_version="12")
    (tmp_path / "a.txt").write_bytes(write_text(report))
    words = [HEADLESS, "inventory", "check", "a.txt", "--reference", "rules.toml"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"headless: {IDLE}\n")
