"""``headless inventory check``: the installed command on reports, references and advisories as files."""

import json
from pathlib import Path

import pytest

from headless.inventory.document import write_document
from headless.inventory.package import Package
from headless.inventory.reference_file import read_reference
from headless.inventory.report import Missing, Report
from headless.inventory.text import write_text
from support import World

ROOT = Path(__file__).parents[2]
OSV = str(ROOT / "tests/vectors/osv")
LIBSSL = Package("dpkg", "libssl3", "3.0.13-1~deb12u1", "amd64", "openssl")
BASH = Package("dpkg", "bash", "5.2.15-2+b2", "amd64", "", "5.2.15-2")
REPORT = Report("node1", (BASH, LIBSSL), "S", system="Debian GNU/Linux 12 (bookworm)", os_id="debian", os_version="12")
REFERENCE = """
[[rule]]
package = "src:openssl"
version = ">= 3.0.14"
deadline = 2026-01-31
grace = 14
"""


@pytest.fixture
def files(world: World) -> Path:
    """A folder with reports and a reference."""
    folder = world.home / "files"
    folder.mkdir()
    fixed = (BASH, LIBSSL._replace(version="3.0.14-1~deb12u2"))
    (folder / "bad.json").write_bytes(write_document(REPORT))
    (folder / "good.json").write_bytes(write_document(Report("node2", fixed, "S", os_id="debian", os_version="12")))
    (folder / "plain.txt").write_bytes(write_text(REPORT, plain=True))
    (folder / "cut.txt").write_bytes(write_text(REPORT)[:-2])
    (folder / "reference.toml").write_text(REFERENCE)
    return folder


def check(world: World, *arguments: object, stdin: bytes | None = None) -> tuple[int, str, str]:
    """Run it; its exit code and what it says."""
    done = world.run("inventory", "check", *map(str, arguments), stdin=stdin)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


LINE = "S/node1: {}: dpkg libssl3 3.0.13-1~deb12u1, wanted >= 3.0.14 by 2026-01-31\n"


@pytest.mark.parametrize(
    ("day", "options", "code", "state"),
    [
        ("2026-01-31", (), 0, "early"),
        ("2026-01-31", ("--fail-on", "early"), 4, "early"),
        ("2026-02-01", (), 4, "due"),
        ("2026-02-14", ("--fail-on", "overdue"), 0, "due"),
        ("2026-02-15", ("--fail-on", "overdue"), 4, "overdue"),
    ],
)
def test_a_host_that_falls_short(
    world: World, files: Path, day: str, options: tuple[str, ...], code: int, state: str
) -> None:
    answer = check(
        world, files / "bad.json", files / "good.json", "--reference", files / "reference.toml", "--on", day, *options
    )
    assert answer == (code, LINE.format(state), "headless: 1 of 2 hosts falls short\n" if code else "")


def test_a_host_that_conforms_is_not_worth_a_word(world: World, files: Path) -> None:
    data = (files / "good.json").read_bytes()
    assert check(world, "-", "--reference", files / "reference.toml", stdin=data) == (0, "", "")


def test_json(world: World, files: Path) -> None:
    code, out, _ = check(
        world, files / "bad.json", "--reference", files / "reference.toml", "--advisories", OSV, "--json"
    )
    rows = json.loads(out)
    assert code == 4
    assert [(row["state"], row["name"], row["wanted"]) for row in rows] == [
        ("overdue", "libssl3", ">= 3.0.14"),
        ("vulnerable", "libssl3", ">= 3.0.14-1~deb12u2"),
    ]
    assert rows[1]["comment"] == "DSA-9001-1 CVE-2026-90001"
    assert check(world, files / "good.json", "--reference", files / "reference.toml", "--json") == (0, "[]\n", "")


def test_the_list_of_another_host_as_reference(world: World, files: Path) -> None:
    assert check(world, files / "bad.json", "--like", files / "bad.json") == (0, "", "")
    code, out, _ = check(world, files / "good.json", "--like", files / "bad.json")
    assert (code, out) == (4, "S/node2: due: dpkg libssl3 3.0.14-1~deb12u2, wanted === 3.0.13-1~deb12u1\n")
    (files / "show.json").write_text(json.dumps([{**package._asdict(), "hosts": 1} for package in REPORT.packages]))
    assert check(world, files / "good.json", "--like", files / "show.json") == check(
        world, files / "good.json", "--like", files / "bad.json"
    )
    code, out, err = check(world, files / "good.json", "--like", files / "cut.txt")
    assert (code, out) == (2, "")
    assert "cut.txt: cut short" in err


def test_what_is_not_known_is_never_well(world: World, files: Path) -> None:
    reference = ("--reference", files / "reference.toml")
    (files / "empty").touch()
    code, out, err = check(world, files / "bad.json", files / "cut.txt", files / "empty", *reference)
    assert (code, out.count("\n")) == (2, 1) and out.startswith("S/node1: ")  # the others are judged all the same
    assert "cut.txt: no report: cut short" in err and "2 of 3 files could not be judged" in err
    assert check(world, files / "empty", *reference)[:2] == (2, "")
    code, out, _ = check(world, files / "plain.txt", *reference, "--advisories", OSV)
    assert code == 4
    assert "unknown: src:openssl, wanted >= 3.0.14 by 2026-01-31 (the host tells no source packages)" in out
    assert "unknown: vulnerabilities (advisories go by source packages, and it tells none)" in out
    unread = Report("n", (), "S", os_id="debian", os_version="13", missing=(Missing("dpkg", "half written"),))
    code, out, _ = check(world, "-", *reference, "--advisories", OSV, stdin=write_document(unread))
    assert code == 4
    assert "S/n: unknown: src:openssl" in out
    assert "no advisory is about debian 13" in out


def test_what_a_vex_file_takes_away_is_no_failure_and_told_in_json(world: World, files: Path) -> None:
    statement = {
        "vulnerability": {"name": "CVE-2026-90001"},
        "products": [{"@id": "pkg:deb/debian/openssl@3.0.13-1~deb12u1?arch=source"}],
        "status": "not_affected",
        "justification": "vulnerable_code_not_in_execute_path",
    }
    vex = {"@context": "https://openvex.dev/ns/v0.2.0", "@id": "x", "statements": [statement]}
    given = (files / "bad.json", "--advisories", OSV, "--vex", files / "vex.json")
    (files / "vex.json").write_text(json.dumps(vex))
    assert check(world, *given) == (0, "", "")
    code, out, _ = check(world, *given, "--json")
    (row,) = json.loads(out)
    assert (code, row["state"], row["name"], row["wanted"]) == (0, "excepted", "libssl3", "")
    assert row["comment"].endswith("; CVE-2026-90001: not_affected, vulnerable_code_not_in_execute_path")
    statement["status"] = "under_investigation"
    (files / "vex.json").write_text(json.dumps(vex))
    code, out, _ = check(world, *given)
    assert code == 4 and "vulnerable: dpkg libssl3" in out
    for arguments, part in (
        (
            (files / "bad.json", "--reference", files / "reference.toml", "--vex", files / "vex.json"),
            "--advisories too",
        ),
        ((files / "bad.json", "--advisories", OSV, "--vex", OSV), "neither OpenVEX nor CycloneDX"),
    ):
        code, out, err = check(world, *arguments)
        assert (code, out) == (2, "") and part in err


def test_bad_input_is_a_line(world: World, files: Path) -> None:
    (files / "empty.toml").write_text("")
    (files / "list.json").write_text("[7]")
    (files / "none.json").write_text("[]")
    (files / "others.toml").write_text('[[rule]]\npackage="x"\nabsent=true\nsite="T"\n')
    report = files / "bad.json"
    for arguments, part in (
        ((report,), "what are they judged by?"),
        ((report, "--reference", files / "empty.toml"), "empty.toml: no rule in it"),
        ((report, "--reference", files / "none.toml"), "none.toml: No such file"),
        ((files / "none", "--reference", files / "reference.toml"), "none: No such file"),
        ((report, "--reference", files / "others.toml"), "no rule is meant for any of these hosts"),
        ((report, "--advisories", files / "reference.toml"), "no JSON"),
        ((report, "--reference", files / "reference.toml", "--on", "soon"), "a day is expected"),
        ((report, "--like", files / "list.json"), "list.json: entry 1 of the list is no package"),
        ((report, "--like", files / "none.json"), "none.json: a reference without rules"),
    ):
        code, out, err = check(world, *arguments)
        assert (code, out) == (2, "")
        assert part in err.splitlines()[-1]
        assert "Traceback" not in err


def test_the_example_is_a_reference() -> None:
    reference = read_reference(str(ROOT / "contrib/inventory/reference.toml"))
    assert len(reference.rules) == 6
    assert {rule.is_absent for rule in reference.rules} == {True, False}


def test_nothing_on_standard_input_is_no_report(world: World, tmp_path: Path) -> None:
    (tmp_path / "reference.toml").write_text('[[rule]]\npackage = "bash"\nabsent = true\n')
    done = world.run("inventory", "check", "-", "--reference", str(tmp_path / "reference.toml"))
    assert done.returncode == 2 and done.stderr.startswith(b"-: no report: it is empty\n")
