"""The commands that ask, and the API behind them, against a real collector."""

import csv
import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from openapi_spec_validator import validate

from authority import Authority
from headless.cli.inventory import ASKED
from headless.inventory.ask.page import build_key
from headless.inventory.dates import build_date
from headless.inventory.package import Package
from headless.inventory.questions import QUESTIONS
from headless.inventory.report import Report
from headless.inventory.text import write_text
from inventory_fleet import EVIL, AskedCollector, run_asked_collector
from support import HEADLESS, wait_for

REFERENCE = """
[[rule]]
package = "openssl"
kind = "rpm"
version = ">= 3.0.11"
"""
ADVISORY = {
    "id": "TEST-1",
    "affected": [
        {
            "package": {"ecosystem": "AlmaLinux:9", "name": "openssl"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1:3.0.11-1.el9"}]}],
        }
    ],
}


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AskedCollector]:
    """A collector that holds a fleet."""
    folder = tmp_path_factory.mktemp("asked")
    (folder / "advisory.json").write_text(json.dumps(ADVISORY))
    with run_asked_collector(folder, '[serve]\nadvisories = ["advisory.json"]\n') as collector:
        wait_for(lambda: collector.get("/api/v1/vulnerable")[0] == 200, "the advisories")
        yield collector


def test_every_question_is_a_command_and_a_path(collector: AskedCollector) -> None:
    assert set(ASKED) == set(QUESTIONS)
    status, _, body = collector.get("/api/v1/openapi.json", "")
    document = json.loads(body)
    validate(document)
    assert status == 200 and set(document["paths"]) == {f"/api/v1/{name}" for name in QUESTIONS}


def test_rows_are_what_their_description_says(collector: AskedCollector) -> None:
    document = json.loads(collector.get("/api/v1/openapi.json")[2])
    kinds = {"string": str, "integer": int, "array": list, "object": dict, "null": type(None)}
    given = {
        "show": {"host": "wn1"}, "diff": {"a": "wn1", "b": "ALPHA/node1"}, "history": {"host": "wn1"},
        "census": {"package": "openssl"}, "who-has": {"requirement": "openssl"}, "drift": {"site": "BETA"},
        "silent": {"since": "2100-01-01"},
    }  # fmt: skip
    for name, question in QUESTIONS.items():
        if question.body:
            told = json.loads(collector.get(f"/api/v1/{name}", body=REFERENCE.encode())[2])
            operation = document["paths"][f"/api/v1/{name}"]["post"]
        else:
            told = collector.ask(name, **given.get(name, {}))
            operation = document["paths"][f"/api/v1/{name}"]["get"]
        row_schema = operation["responses"]["200"]["content"]["application/json"]["schema"]["properties"]["rows"][
            "items"
        ]
        assert told["rows"], name
        for row in told["rows"]:
            assert list(row) == row_schema["required"]
            for key, value in row.items():
                told_kind = row_schema["properties"][key]["type"]
                allowed = told_kind if isinstance(told_kind, list) else [told_kind]
                assert type(value) in [kinds[kind] for kind in allowed], (name, key, value)


def test_who_has_prints_a_table_json_and_csv(collector: AskedCollector) -> None:
    table = collector.run("who-has", "openssl<3.0.11")
    assert (table.returncode, table.stderr) == (0, "")
    lines = table.stdout.splitlines()
    assert lines[0].split() == ["SITE", "HOST", "KIND", "NAME", "VERSION", "ARCH", "LAST"]
    assert [line.split()[:2] for line in lines[1:]] == [
        ["ALPHA", "node11.example.org"], ["BETA", "wn11.beta.example.org"], ["GAMMA", "node11.example.org"],
    ]  # fmt: skip
    assert all(line.endswith("Z") for line in lines[1:])
    document = json.loads(collector.run("who-has", "openssl<3.0.11", "--json").stdout)
    assert document["summary"] == {"hosts": 3} and document["rows"][0]["os_id"] == "almalinux"
    rows = list(csv.DictReader(io.StringIO(collector.run("who-has", "openssl<3.0.11", "--csv").stdout)))
    assert [{**row, "id": int(row["id"])} for row in rows] == document["rows"]


@pytest.mark.parametrize("words", [
    ("hosts",), ("hosts", "--retired"), ("packages", "--site", "BETA"), ("show", "wn1"), ("history", "wn1"),
    ("silent",), ("diff", "tag:SE", "tag:WN"), ("census", "kernel"), ("drift", "GAMMA"), ("who-has", "openssl"),
])  # fmt: skip
def test_csv_and_json_say_the_same_and_their_fields_are_told(collector: AskedCollector, words: tuple[str, ...]) -> None:
    rows = json.loads(collector.run(*words, "--json").stdout)["rows"]
    lines = list(csv.reader(io.StringIO(collector.run(*words, "--csv").stdout)))
    names = [column.name for column in QUESTIONS[words[0]].columns]
    assert lines[0] == names and all(list(row) == names for row in rows)
    assert lines[1:] == [[write_field(value) for value in row.values()] for row in rows]
    told = " ".join(collector.run(words[0], "--help").stdout.split())
    assert f"Fields of a row in --json and --csv: {', '.join(names)}." in told
    documented = (Path(__file__).parents[2] / "docs" / "inventory.md").read_text()
    listed = documented.partition("### Fields")[2].partition("### The API")[0]
    assert [name for name in names if f"`{name}`" not in listed] == []


def write_field(value: object) -> str:
    """A value of the JSON as the CSV has it."""
    if isinstance(value, dict):
        return "; ".join(f"{version}={hosts}" for version, hosts in value.items())
    return "; ".join(value) if isinstance(value, list) else "" if value is None else str(value)


def test_all_pages_are_fetched(collector: AskedCollector) -> None:
    pages = collector.ask("packages", limit="3", site="ALPHA")
    assert len(pages["rows"]) == 3 and pages["next"]
    assert collector.ask("packages", limit="3", site="ALPHA", after=pages["next"])["rows"] != pages["rows"]
    rows = json.loads(collector.run("who-has", "*", "--json").stdout)["rows"]
    assert len(rows) == len({tuple(row.values()) for row in rows}) > 1500


@pytest.mark.parametrize("words", [
    ("hosts", "--site", "ALPHA", "--tag", "WN"), ("packages", "--pattern", "lib?"), ("show", "wn1"), ("history", "wn1"),
    ("diff", "tag:SE", "tag:WN"), ("census", "kernel"), ("drift", "GAMMA"), ("silent",),
])  # fmt: skip
def test_each_question_is_answered(collector: AskedCollector, words: tuple[str, ...]) -> None:
    done = collector.run(*words)
    assert done.returncode == 0
    assert all("could not read dpkg" in line for line in done.stderr.splitlines()), done.stderr
    assert len(done.stdout.splitlines()) >= 2, done.stdout


def test_nothing_found_is_no_failure_and_prints_nothing(collector: AskedCollector) -> None:
    done = collector.run("who-has", "no-such-package", "--tag", "SE")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "headless: no host that you may see has ever reported a package 'no-such-package'\n"
    assert json.loads(collector.run("who-has", "no-such-package", "--json").stdout)["rows"] == []
    done = collector.run("who-has", "openssl>99", "--tag", "SE")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(("words", "token", "said"), [
    (("hosts", "--tag", "XX"), "all", "no host that you may see has the tag 'XX': there are SE, WN"),
    (("silent", "--tag", "XX", "--site", "BETA"), "all", "no host of 'BETA' has the tag 'XX': there are SE, WN"),
    (("packages", "--kind", "apk"), "all", "no host that you may see has packages of the kind 'apk'"),
    (("census", "openssl", "--kind", "apk", "--json"), "all", "no host that you may see has packages of the kind"),
    (("diff", "tag:SE", "tag:WN", "--kind", "pkg", "--csv"), "all", "has packages of the kind 'pkg'"),
    (("show", "wn1", "--kind", "dpkg"), "all", "wn1.beta.example.org has no packages of the kind 'dpkg'"),
    (("drift", "ALPHA", "--tag", "YY"), "alpha", "no host of 'ALPHA' has the tag 'YY': there are SE, WN"),
    # What is there, and finds nothing, is no mistake.
    (("silent", "--tag", "SE", "--since", "2001-01-01"), "all", ""),
    (("packages", "--pattern", "z*", "--kind", "rpm"), "all", ""),
    (("diff", "wn1", "wn1", "--kind", "rpm"), "all", ""),
])  # fmt: skip
def test_what_nothing_has_is_said_on_standard_error(
    collector: AskedCollector, words: tuple[str, ...], token: str, said: str
) -> None:
    done = collector.run(*words, token=token)
    assert done.returncode == 0 and said in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == bool(said)
    if "--json" in words:
        assert json.loads(done.stdout)["rows"] == []


def test_the_api_tells_it_too(collector: AskedCollector) -> None:
    [note] = collector.ask("packages", kind="apk")["notes"]
    assert note == "no host that you may see has packages of the kind 'apk'"
    assert "notes" not in collector.ask("packages", kind="rpm")


@pytest.mark.parametrize(("words", "code", "said"), [
    (("9",), 0, ""),
    (("0",), 2, "a number from 1 to 10000 is expected"),
    (("two",), 2, "'missed': a number is expected"),
    (("2", "--since", "2001-01-01"), 2, "give one of them"),
])  # fmt: skip
def test_nothing_is_silent_that_has_not_missed_so_many(
    collector: AskedCollector, words: tuple[str, ...], code: int, said: str
) -> None:
    done = collector.run("silent", "--fail", "--missed", *words)
    assert (done.returncode, done.stdout, said in done.stderr) == (code, "", True)


@pytest.mark.parametrize(("words", "code", "said"), [
    (("silent", "--fail"), 4, "headless: 3 hosts are silent"),
    (("silent", "--fail", "--missed", "2"), 4, "headless: 3 hosts are silent"),
    (("silent", "--fail", "--missed", "2", "--site", "ALPHA"), 4, "headless: 1 host is silent"),
    (("silent", "--fail", "--since", "2001-01-01"), 0, ""),
    (("silent",), 0, ""),
    (("silent", "--fail", "--since", "2001-01-01", "--tag", "SE"), 0, ""),
])  # fmt: skip
def test_silence_is_a_failure_for_who_says_so(
    collector: AskedCollector, words: tuple[str, ...], code: int, said: str
) -> None:
    done = collector.run(*words)
    assert (done.returncode, done.stderr.rstrip("\n")) == (code, said)
    assert bool(done.stdout) == ("--since" not in words)


def test_who_asks_about_a_tag_of_nobody_is_not_told_that_all_is_well(collector: AskedCollector) -> None:
    said = "headless: no host that you may see has the tag 'XX': there are SE, WN"
    done = collector.run("silent", "--fail", "--tag", "XX")
    told = [said, "headless: nothing was judged: there is no such host"]
    assert (done.returncode, done.stderr.splitlines()) == (2, told)
    assert collector.run("silent", "--tag", "XX").stderr == said + "\n"


def test_an_inventory_without_hosts_says_so(tmp_path: Path) -> None:
    nobody = "headless: 0 hosts were asked about"
    with run_asked_collector(tmp_path, reports=[]) as collector:
        for words in (("hosts",), ("silent",), ("packages",), ("hosts", "--at", "2020-01-01")):
            done = collector.run(*words)
            assert (done.returncode, done.stdout, done.stderr) == (0, "", f"{nobody}\n"), words
        assert json.loads(collector.run("silent", "--json").stdout)["summary"] == {"hosts": 0}
        done = collector.run("silent", "--fail")
        told = [nobody, "headless: nothing was judged: there is no such host"]
        assert (done.returncode, done.stderr.splitlines()) == (2, told)
        assert collector.run("hosts", "--retired").stderr == ""


def test_hosts_that_could_not_know_are_told(collector: AskedCollector) -> None:
    done = collector.run("who-has", "no-such-package", "--site", "BETA")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines() == [
        "headless: no host that you may see has ever reported a package 'no-such-package'",
        "headless: hosts that could not read their packages, and may have it: 1",
    ]
    asked = collector.run("who-has", "no-such-package", "--site", "BETA", "--json")
    assert json.loads(asked.stdout)["summary"] == {"hosts": 0, "unread": 1}


@pytest.mark.parametrize(("words", "token", "code", "said"), [
    (("who-has", "openssl<>"), "all", 2, "a version is expected"),
    (("show", "node1"), "all", 2, "say which of ALPHA/node1.example.org, GAMMA/node1.example.org"),
    (("show", "nosuch"), "all", 2, "there is no host 'nosuch' that you may see\n"),
    (("show", "wn1@2026-11-05"), "all", 2, "that you may see; a time is given with --at"),
    (("show", "wn1", "--at", "2001-01-01"), "all", 2, "that you may see, at 2001-01-01T23:59:59Z"),
    (("hosts", "--at", "yesterday"), "all", 2, "is no time"),
    (("show", "wn1", "--kind", "rmp"), "all", 2, "'rmp' is no kind of packages: there are rpm, dpkg, apk, "),
    (("who-has", "openssl", "--kind", "rmp"), "all", 2, "'rmp' is no kind of packages: there are rpm, dpkg, apk, "),
    (("hosts", "--site", "BETA"), "alpha", 2, "there is no site 'BETA' that you may see"),
    (("drift", "site:BETA"), "all", 2, "no site 'site:BETA' that you may see: a site's name alone is wanted, 'BETA'"),
    (("hosts",), "sender", 5, "'sender' may see no site"),
    (("hosts",), "", 5, "401"),
    (("hosts", "--collector", "http://127.0.0.1:9"), "all", 1, "refused"),
    (("hosts", "--collector", "nonsense"), "all", 2, "is no URL"),
    (("hosts", "--json", "--csv"), "all", 2, "not both"),
    (("conform", "--reference", "/nowhere"), "all", 2, "No such file"),
])  # fmt: skip
def test_what_goes_wrong_is_one_line_and_a_true_code(
    collector: AskedCollector, words: tuple[str, ...], token: str, code: int, said: str
) -> None:
    done = collector.run(*words, token=token)
    assert done.returncode == code and said in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1 and done.stdout == ""


def test_a_token_of_one_site_sees_that_site_alone(collector: AskedCollector) -> None:
    rows = json.loads(collector.run("hosts", "--json", token="alpha").stdout)["rows"]
    assert {row["site"] for row in rows} == {"ALPHA"} and len(rows) == 12
    assert collector.run("show", "node1", token="alpha").returncode == 0


def test_conform_exits_4_if_a_host_falls_short_and_0_if_none_does(collector: AskedCollector, tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(REFERENCE)
    done = collector.run("conform", "--reference", str(tmp_path / "r.toml"))
    assert done.returncode == 4 and "3 of 36 hosts fall short" in done.stderr
    assert [line.split()[1] for line in done.stdout.splitlines()[1:]] == [
        "node11.example.org", "wn11.beta.example.org", "node11.example.org",
    ]  # fmt: skip
    since = build_date(collector.now - 2 * 86400)
    done = collector.run("conform", "--reference", str(tmp_path / "r.toml"), "--seen-since", since)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = collector.run("conform", "--reference", str(tmp_path / "r.toml"), "--seen-since", "2100-01-01")
    assert done.returncode == 2 and "nothing was judged: there is no such host" in done.stderr
    (tmp_path / "r.toml").write_text(REFERENCE + 'site = "NOWHERE"\n')
    done = collector.run("conform", "--reference", str(tmp_path / "r.toml"))
    assert done.returncode == 2 and "no rule is meant for any host" in done.stderr


def test_advisories_given_as_a_file_mark_vulnerable_packages(collector: AskedCollector, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(ADVISORY))
    for words in (("who-has", "openssl"), ("show", "wn11")):
        rows = json.loads(collector.run(*words, "--json", "--advisories", str(tmp_path / "a.json")).stdout)["rows"]
        marked = [row for row in rows if row["vulnerable"]]
        assert {row["version"] for row in marked} == {"1:3.0.7-28.el9"}
        assert {text for row in marked for text in row["vulnerable"]} == {"TEST-1 (fixed: 1:3.0.11-1.el9)"}
        assert len(marked) == (3 if words[0] == "who-has" else 1)


def test_names_are_shown_as_they_are_in_the_api(collector: AskedCollector) -> None:
    names = {row["name"] for row in collector.ask("packages")["rows"]}
    assert EVIL in names


@pytest.mark.parametrize(("path", "status"), [
    ("/api/v1/hosts?at=x", 400), ("/api/v1/hosts?nonsense=1", 400), ("/api/v1/hosts?site=ALPHA&site=BETA", 400),
    ("/api/v1/hosts?after=AAAA", 400), (f"/api/v1/hosts?after={build_key((10**30,))}", 400),
    ("/api/v1/show?host=a%00b", 400), (f"/api/v1/hosts?after={build_key(('x', 'y'))}", 400),
    ("/api/v1/hosts?limit=-1", 400), ("/api/v1/show", 400), ("/api/v1/x", 404),
    ("/api/v1/conform", 405), ("/api/v1/hosts?set=99999999999999999999", 400),
])  # fmt: skip
def test_bad_requests_are_answered_with_one_line(collector: AskedCollector, path: str, status: int) -> None:
    found, _, body = collector.get(path)
    assert found == status
    if status == 400:
        assert list(json.loads(body)) == ["error"] and "\n" not in json.loads(body)["error"]


def test_without_a_known_token_nothing_is_told(collector: AskedCollector) -> None:
    assert collector.get("/api/v1/hosts", "")[0] == 401
    assert collector.get("/api/v1/hosts", "", headers={"Authorization": "Bearer nonsense"})[0] == 401
    assert collector.get("/api/v1/hosts", "sender")[0] == 403


def test_over_tls_a_client_certificate_is_enough(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue_server()
    certificate, key = authority.issue("reader")
    stranger, stranger_key = authority.issue("stranger")
    settings = '[serve]\ntls_cert = "localhost.pem"\ntls_key = "localhost.key"\nclient_ca = "ca.pem"\n'
    with run_asked_collector(tmp_path, settings) as collector:
        words = ("hosts", "--json", "--collector", f"https{collector.url.removeprefix('http')}")
        trusting = (*words, "--ca-file", str(tmp_path / "ca.pem"))
        collector.grant("reader", "--site", "BETA", "--subject", "CN=reader")
        done = collector.run(*trusting, "--certificate", certificate, "--key", key, token="")
        assert {row["site"] for row in json.loads(done.stdout)["rows"]} == {"BETA"}
        assert collector.run(*trusting, "--certificate", stranger, "--key", stranger_key, token="").returncode == 5
        assert collector.run(*trusting, token="").returncode == 5
        assert len(json.loads(collector.run(*trusting).stdout)["rows"]) == 36
        done = collector.run(*words)
        assert done.returncode == 1 and "is not trusted (" in done.stderr and "): see --ca-file" in done.stderr
        (tmp_path / "loose").write_text("nonsense")
        done = collector.run(*trusting, "--token-file", str(tmp_path / "loose"))
        assert done.returncode == 5 and "loose: everybody on this machine can read it" in done.stderr
        variable = {"HEADLESS_COLLECTOR_CA_FILE": str(tmp_path / "ca.pem")}
        assert collector.run(*words, environment=variable).returncode == 0
        done = collector.run("hosts", "--collector", collector.url)
        assert done.returncode == 1 and "does it want https://?" in done.stderr


def test_what_show_prints_as_json_is_a_model_for_others(collector: AskedCollector, tmp_path: Path) -> None:
    shown = collector.run("show", "wn1", "--kind", "rpm", "--json").stdout
    (tmp_path / "like.json").write_text(shown)
    packages = tuple(Package(*(row[name] for name in Package._fields)) for row in json.loads(shown)["rows"])
    report = tmp_path / "report.txt"
    report.write_bytes(write_text(Report(host="wn1", site="S", packages=packages)))
    words = [HEADLESS, "inventory", "check", str(report), "--like", str(tmp_path / "like.json")]
    done = subprocess.run(words, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout
    report.write_bytes(write_text(Report(host="wn1", site="S", packages=packages[:-1])))
    assert subprocess.run(words, capture_output=True, check=False).returncode == 4


def test_an_error_of_a_reference_names_its_file(collector: AskedCollector, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("[[rule]]\nnonsense = 1\n")
    done = collector.run("conform", "--reference", str(tmp_path / "bad.toml"))
    assert done.returncode == 2 and "bad.toml: rule 1" in done.stderr


def test_a_plain_collector_that_is_asked_by_https_is_said_to_be_plain(collector: AskedCollector) -> None:
    done = collector.run("hosts", "--collector", f"https{collector.url.removeprefix('http')}")
    assert done.returncode == 1 and "it speaks plain http there" in done.stderr
    done = collector.run("hosts", "--token-file", "/nosuch")
    assert done.returncode == 2 and done.stderr.count("/nosuch") == 1


def test_an_operator_the_wrong_way_round_is_told_with_the_right_one(collector: AskedCollector) -> None:
    done = collector.run("who-has", "openssl=>3")
    assert done.returncode == 2 and "'openssl=>3': '=>' compares nothing: did you mean '>='?" in done.stderr
