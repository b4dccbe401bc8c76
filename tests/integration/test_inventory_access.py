"""Who may see what of the inventory."""

import os
import stat
from pathlib import Path

import pytest

from headless.errors import ParameterError
from headless.inventory.collect.access import NOTHING, Access
from headless.inventory.collect.collector import check_state
from headless.inventory.collect.settings import parse_collector


def test_nobody_may_anything_unless_it_is_said(tmp_path: Path) -> None:
    access = Access(str(tmp_path / "access.json"))
    assert access.find_token("") == access.find_token("x") == access.find_subject("CN=a") == NOTHING
    assert not (NOTHING.may_read("") or NOTHING.may_review("") or NOTHING.may_send)


@pytest.mark.parametrize(
    ("role", "sites", "reads", "reviews", "sends"),
    [
        ("reader", ("A",), (True, False), (False, False), False),
        ("reader", ("*",), (True, True), (False, False), False),
        ("reviewer", ("A",), (True, False), (True, False), False),
        ("sender", ("A",), (False, False), (False, False), True),
        ("admin", (), (True, True), (True, True), True),
    ],
)
def test_roles(
    tmp_path: Path, role: str, sites: tuple[str, ...], reads: tuple[bool, bool], reviews: tuple[bool, bool], sends: bool
) -> None:
    access = Access(str(tmp_path / "access.json"))
    token = access.add("bob", role, sites)
    scope = access.find_token(token)
    assert (scope.may_read("A"), scope.may_read("B")) == reads
    assert (scope.may_review("A"), scope.may_review("B")) == reviews
    assert (scope.name, scope.may_send) == ("bob", sends)
    assert access.find_subject(token) == NOTHING


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
