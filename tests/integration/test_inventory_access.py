"""Who may see what of the inventory."""

import json
import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from headless.errors import ParameterError, Unavailable
from headless.inventory.collect.access import NOTHING, Access
from headless.inventory.collect.collector import check_state
from headless.inventory.collect.settings import parse_collector
from headless.inventory.dates import parse_date, parse_end


def test_nobody_may_anything_unless_it_is_said(tmp_path: Path) -> None:
    access = Access(str(tmp_path / "access.json"))
    assert access.find_token("") == access.find_token("x") == access.find_subject("CN=a") == NOTHING
    assert not (NOTHING.may_read("") or NOTHING.may_send)


@pytest.mark.parametrize(
    ("role", "sites", "reads", "sends"),
    [
        ("reader", ("A",), (True, False), False),
        ("reader", ("*",), (True, True), False),
        ("sender", ("A",), (False, False), True),
        ("admin", (), (True, True), True),
    ],
)
def test_roles(tmp_path: Path, role: str, sites: tuple[str, ...], reads: tuple[bool, bool], sends: bool) -> None:
    access = Access(str(tmp_path / "access.json"))
    token = access.add("bob", role, sites)
    scope = access.find_token(token)
    assert (scope.may_read("A"), scope.may_read("B")) == reads
    assert (scope.name, scope.may_send) == ("bob", sends)
    assert access.find_subject(token) == NOTHING


def test_a_role_of_before_reads_and_is_not_granted_any_more(tmp_path: Path) -> None:
    file = tmp_path / "access.json"
    token = Access(str(file)).add("bob", "reader", ("A",))
    file.write_text(file.read_text().replace('"reader"', '"reviewer"'))
    access = Access(str(file))
    scope = access.find_token(token)
    assert (scope.may_read("A"), scope.may_read("B"), scope.may_send) == (True, False, False)
    with pytest.raises(ParameterError, match="no more than reader"):
        access.add("carol", "reviewer", ("A",))
    access.add("dora", "reader", ("B",))
    assert [grant.role for grant in access.list_grants()] == ["reviewer", "reader"]


def test_another_process_sees_at_once_what_was_granted_and_taken_back(tmp_path: Path) -> None:
    file = tmp_path / "access.json"
    one, other = Access(str(file)), Access(str(file))
    token = one.add("bob", "reader", ("A",))
    assert one.add("carol", "reader", ("B",), "CN=carol") == ""
    assert other.find_token(token).name == "bob"
    assert other.find_subject("CN=carol").may_read("B")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert token not in file.read_text()
    one.remove("bob")
    assert other.find_token(token) == NOTHING
    assert [grant.name for grant in other.list_grants()] == ["carol"]


def test_what_cannot_be_granted(tmp_path: Path) -> None:
    access = Access(str(tmp_path / "access.json"))
    access.add("bob", "reader", ("A",))
    for name, role, sites in (("bob", "reader", ("A",)), ("carol", "king", ("A",)), ("carol", "reader", ())):
        with pytest.raises(ParameterError):
            access.add(name, role, sites)
    with pytest.raises(ParameterError):
        access.remove("carol")
    (tmp_path / "access.json").write_text("{")
    with pytest.raises(ParameterError, match="mend it"):
        Access(str(tmp_path / "access.json")).list_grants()


@pytest.mark.skipif(os.geteuid() != 0, reason="another user's folder")
def test_what_may_not_be_read_is_named(tmp_path: Path) -> None:
    settings = parse_collector({"state": str(tmp_path)}, "")
    os.seteuid(65534)
    try:
        with pytest.raises(ParameterError, match=r"state folder .* cannot be read: Permission denied"):
            check_state(settings)
        with pytest.raises(ParameterError, match=r"access\.json cannot be read: Permission denied"):
            Access(settings.access).list_grants()
    finally:
        os.seteuid(0)


@pytest.mark.parametrize(
    "change",
    [
        {"role": "king"}, {"role": ["admin"]}, {"sites": "*"}, {"sites": [1]}, {"sites": None}, {"key": 1}, {"key": ""},
        {"name": ""}, {"name": 1}, {"is_subject": "no"}, {"more": 1}, {"expires": "2026-01-31"}, {"expires": None},
        {"expires": 1.5}, {"expires": -1}, {"expires": True},
    ],
)  # fmt: skip
def test_a_grant_that_is_not_understood_lets_nobody_in(tmp_path: Path, change: dict[str, object]) -> None:
    file = tmp_path / "access.json"
    token = Access(str(file)).add("bob", "reader", ("A",))
    [grant] = json.loads(file.read_text())
    file.write_text(json.dumps([{**grant, **change}]))
    access = Access(str(file))
    with pytest.raises(ParameterError, match="mend it"):
        access.list_grants()
    with pytest.raises(Unavailable, match="who may see what cannot be read"):
        access.find_token(token)
    file.write_text(json.dumps([grant]))
    assert access.find_token(token).name == "bob"


def test_a_grant_with_an_end_counts_until_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    access = Access(str(tmp_path / "access.json"))
    now = int(time.time())
    token = access.add("bob", "admin", (), expires=now + 100)
    access.add("carol", "reader", ("A",), "CN=carol", expires=now + 100)
    lasting = access.add("dora", "sender", ())
    assert access.find_token(token).may_send and access.find_subject("CN=carol").may_read("A")
    monkeypatch.setattr(time, "time", lambda: now + 99.9)
    assert access.find_token(token).name == "bob"
    monkeypatch.setattr(time, "time", lambda: now + 100.0)
    for scope, name in ((access.find_token(token), "bob"), (access.find_subject("CN=carol"), "carol")):
        assert scope == replace(NOTHING, ended=name, ended_at=now + 100)
        assert not (scope.name or scope.may_send or scope.may_read("A"))
    assert access.find_token(lasting).may_send
    assert [(grant.name, grant.is_over) for grant in access.list_grants()] == [
        ("bob", True), ("carol", True), ("dora", False),
    ]  # fmt: skip


def test_a_file_of_before_has_grants_without_an_end_and_stays_so(tmp_path: Path) -> None:
    file = tmp_path / "access.json"
    access = Access(str(file))
    token = access.add("bob", "reader", ("A",))
    assert "expires" not in file.read_text()  # so that an older headless reads it
    access.add("carol", "reader", ("A",), expires=1)
    assert [grant.get("expires") for grant in json.loads(file.read_text())] == [None, 1]
    assert Access(str(file)).find_token(token).name == "bob"


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("1", 1000 + 86400),
        ("365", 1000 + 365 * 86400),
        ("2026-01-31", parse_date("2026-02-01T00:00:00Z") - 1),
        ("2026-01-31T04:00:00+01:00", parse_date("2026-01-31T03:00:00Z")),
    ],
)
def test_an_end_is_a_time_or_a_number_of_days(text: str, end: int) -> None:
    assert parse_end(text, 1000.5) == end


@pytest.mark.parametrize("text", ["0", "-1", "soon", "1970-01-01T00:00:01Z", "20260131", "100000", "1.5", "٣", " 3"])
def test_what_is_no_end_is_refused(text: str) -> None:
    with pytest.raises(ParameterError):
        parse_end(text, 1000.5)


@pytest.mark.parametrize("text", ["", "{}", "[", "null", "[1]", "[[]]", '"x"', "[{}]", "\x00"])
def test_a_file_that_is_no_list_of_grants_lets_nobody_in(tmp_path: Path, text: str) -> None:
    file = tmp_path / "access.json"
    access = Access(str(file))
    token = access.add("bob", "reader", ("A",))
    file.write_text(text)
    with pytest.raises(Unavailable):
        access.find_token(token)


def test_grants_that_are_made_at_once_are_all_kept(tmp_path: Path) -> None:
    file = str(tmp_path / "access.json")
    names = [f"name{number}" for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(lambda name: Access(file).add(name, "reader", ("A",)), names))
    access = Access(file)
    assert [access.find_token(token).name for token in tokens] == names
    assert {path.name for path in tmp_path.iterdir()} == {"access.json", "access.json.lock"}


@pytest.mark.skipif(os.geteuid() != 0, reason="another user's folder")
def test_what_root_grants_the_collector_can_read(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    access = Access(str(tmp_path / "access.json"))
    access.add("bob", "reader", ("A",))
    access.remove("bob")
    for path in tmp_path.iterdir():
        assert (path.stat().st_uid, path.stat().st_gid, stat.S_IMODE(path.stat().st_mode)) == (65534, 65534, 0o600)
