"""The collector's administration, as the installed command."""

import csv
import io
import json
import re
import subprocess
import time
from collections.abc import Iterator

import pytest

from headless.inventory.package import Package
from headless.inventory.report import Report
from headless.inventory.seal import seal
from headless.inventory.text import write_text
from inventory_identities import make_holder
from inventory_support import make_report
from support import HEADLESS, World, open_world

MANY = tuple(Package("rpm", f"lib{number}", "0:1-1", "x86_64") for number in range(100))


@pytest.fixture
def world() -> Iterator[World]:
    with open_world() as made:
        yield made


def ask(world: World, *words: str, code: int = 0) -> str:
    done = world.run("inventory", *words, "--state", str(world.home / "state"))
    assert done.returncode == code, done.stderr
    return (done.stdout + done.stderr).decode()


def make_collector(world: World) -> None:
    """Begin a collector."""
    ask(world, "take", write(world, "first", write_text(make_report())))


def write(world: World, name: str, data: bytes) -> str:
    path = world.home / name
    path.write_bytes(data)
    return str(path)


def test_reports_are_taken_out_of_files_and_reviewed(world: World) -> None:
    good = write(world, "good", write_text(Report(host="a", site="S", packages=MANY, made=1)))
    assert "too old" in ask(world, "take", good, code=4)
    assert ask(world, "take", "--any-age", good) == f"{good}: stored: new\n"
    good = write(world, "good", write_text(Report(host="a", site="S", packages=MANY)))
    few = write(world, "few", write_text(Report(host="a", site="S", packages=MANY[:3])))
    cut = write(world, "cut", write_text(make_report())[:100])
    assert ask(world, "take", good) == f"{good}: stored: same\n"
    told = ask(world, "take", few, cut, code=4)
    assert f"{few}: held: 3 rpm packages" in told and f"{cut}: refused: cut short" in told
    head, held = (re.split("  +", line.strip()) for line in ask(world, "review", "list").splitlines())
    assert head == ["ID", "RECEIVED", "SITE", "HOST", "REASON", "GONE"]
    number = held[0]
    names = sorted(package.name for package in MANY[3:])
    assert held[2:] == ["S", "a", "3 rpm packages, and 100 before", f"{'; '.join(names[:3])}; and 94 more"]
    [row] = json.loads(ask(world, "review", "list", "--json"))["rows"]
    assert (str(row["id"]), row["site"], row["gone"], row["received"][-1]) == (number, "S", names, "Z")
    [line] = csv.DictReader(io.StringIO(ask(world, "review", "list", "--csv")))
    assert list(line) == list(row) and line["gone"] == "; ".join(names)
    shown = json.loads(ask(world, "review", "show", number, "--json"))
    assert [item["name"] for item in shown["rows"]] == names and shown["summary"]["gone"] == 97
    assert len(ask(world, "review", "show", number).splitlines()) == 98
    assert "not held: 999" in ask(world, "review", "show", "999", code=2)
    for words in (("show",), ("accept",), ("list", "--limit")):
        assert "is not in the range" in ask(world, "review", *words, "9" * 30, code=2)
    assert "not both" in ask(world, "review", "list", "--json", "--csv", code=2)
    assert ask(world, "review", "accept", number) == ask(world, "review", "list") == ""
    assert "not held" in ask(world, "review", "refuse", number, code=2)


def test_what_is_refused_is_listed_with_its_reason(world: World) -> None:
    old = write(world, "old", write_text(Report(host="a", site="S", packages=MANY, made=1)))
    cut = write(world, "cut", write_text(make_report())[:100])
    ask(world, "take", old, cut, code=4)
    first, second = json.loads(ask(world, "review", "list", "--refused", "--json"))["rows"]
    assert (first["site"], first["host"], first["feed"], first["address"]) == ("S", "a", "file", "file")
    assert "too old" in first["reason"] and (second["site"], second["host"]) == ("", "")
    assert "cut short" in second["reason"]
    lines = ask(world, "review", "list", "--refused").splitlines()
    assert lines[0].split()[4:] == ["FEED", "ADDRESS", "TOKEN", "CERTIFICATE", "REASON"] and len(lines) == 3
    listed = list(csv.DictReader(io.StringIO(ask(world, "review", "list", "--refused", "--csv"))))
    assert [row["reason"] for row in listed] == [first["reason"], second["reason"]]
    assert ask(world, "review", "list") == ""
    cut_off = ask(world, "review", "list", "--refused", "--limit", "1").splitlines()
    assert [line.split()[0] for line in cut_off] == ["ID", str(second["id"]), "headless:"] and "newest 1" in cut_off[2]
    assert len(ask(world, "review", "list", "--refused", "--since", first["received"]).splitlines()) == 3
    assert ask(world, "review", "list", "--refused", "--since", "2100-01-01") == ""


def test_files_are_taken_as_by_a_feed(world: World) -> None:
    config = write(
        world, "c.toml", b'state = "state"\n[feeds.wn]\nsites = ["A"]\nsealed = true\n[feeds.b]\nsites = ["B"]\n'
    )
    files = [write(world, site, write_text(Report(host="a", site=site, packages=MANY))) for site in "ABC"]

    def take(*words: str, code: int = 0) -> str:
        return ask(world, "take", "--config", config, *words, code=code)

    assert f"{files[0]}: refused: not sealed" in take("--feed", "wn", files[0], code=4)
    assert f"{files[0]}: refused: site 'A' is not one" in take("--feed", "b", files[0], code=4)
    assert take("--feed", "b", files[1]) == f"{files[1]}: stored: new\n"
    assert take(files[0]) == f"{files[0]}: stored: new\n"
    told = take(files[2]).splitlines()
    assert told == [f"{files[2]}: stored: new", f"{files[2]}: no feed of the settings takes the site 'C': see --feed"]
    said = take("--feed", "nosuch", files[0], code=2)
    assert "the settings have b, file, wn" in said and len(said.splitlines()) == 1


def test_sealed_reports_are_opened_with_the_keys_of_the_settings(world: World) -> None:
    holder = make_holder(world.home, "collector")
    write(world, "both.pem", holder.certificate_file.read_bytes() + holder.key_file.read_bytes())
    config = write(world, "inventory.toml", b'state = "state"\nkeys = ["both.pem"]\n')
    sealed = write(world, "sealed", seal(write_text(make_report()), [holder.certificate]))
    told = ask(world, "take", sealed, code=4)
    assert "no key" in told and "--config" in told and "reprocess" in told
    assert ask(world, "reprocess", "--config", config) == "1 processed again\n"
    done = world.run("inventory", "take", "--config", config, sealed)
    assert "replay" in done.stdout.decode()


def test_a_day_is_that_of_utc_wherever_the_collector_is(world: World) -> None:
    make_collector(world)
    world.variables["TZ"] = "AHEAD-24"  # where tomorrow has begun with our today
    days = [time.strftime("%Y-%m-%d", time.gmtime(time.time() + ahead * 86400)) for ahead in (-1, 1)]
    counts = [ask(world, "reprocess", "--since", day) for day in days]
    assert counts == ["1 processed again\n", "0 processed again\n"]
    assert "is no time" in ask(world, "reprocess", "--since", "soon", code=2)


def test_a_state_folder_of_no_collector_is_not_made(world: World) -> None:
    for words in (("reprocess",), ("token", "list"), ("token", "add", "a", "--site", "S"), ("review", "list")):
        told = ask(world, *words, code=2)
        assert "is no collector's state folder" in told and len(told.splitlines()) == 1
        assert not (world.home / "state").exists()
    done = world.run("inventory", "take", write(world, "report", write_text(make_report())), "--state", "/dev/null")
    assert done.returncode == 2


def test_tokens_are_told_once(world: World) -> None:
    make_collector(world)
    token = ask(world, "token", "add", "bob", "--site", "A").strip()
    shown = ask(world, "token", "list")
    assert token.startswith("hli_") and token not in shown and shown.startswith("bob\treader\tA\t")
    assert ask(world, "token", "remove", "bob") == ask(world, "token", "list") == ""
    assert "no report of headless can name" in ask(world, "token", "add", "bob", "--site", "A/B")
    ask(world, "token", "remove", "bob")
    assert "Give --site" in ask(world, "token", "add", "bob", "--role", "reader", code=2)
    assert "nothing is granted" in ask(world, "token", "remove", "bob", code=2)


def test_what_cannot_be_printed_is_no_success(world: World) -> None:
    make_collector(world)
    state = f"--state {world.home / 'state'}"
    for words in (f"token list {state}", "hosts --collector http://127.0.0.1:9", f"token add a --site A {state}"):
        done = run_shell(f"{HEADLESS} inventory {words} >&-", world)
        assert done.returncode == 2 and "standard output is closed" in done.stderr
    done = run_shell(f"{HEADLESS} inventory token add a --site A {state} >/dev/full", world)
    assert done.returncode == 2 and "could not be written" in done.stderr
    assert ask(world, "token", "list") == ""


def run_shell(line: str, world: World) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["/bin/sh", "-c", line], env=world.environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("words", "said"), [
    ((), "which command? Known are backup, "), (("token",), "which command? Known are add, list, remove"),
    (("review",), "which command? Known are accept, "), (("hots",), "did you mean 'headless inventory hosts'?"),
    (("token", "lits"), "did you mean 'headless inventory token list'?"),
    (("zzz",), "unknown command 'zzz': known are "),
])  # fmt: skip
def test_a_command_that_is_not_there_is_one_line(world: World, words: tuple[str, ...], said: str) -> None:
    done = world.run("inventory", *words)
    assert done.returncode == 2 and said in done.stderr.decode() and len(done.stderr.splitlines()) == 1
