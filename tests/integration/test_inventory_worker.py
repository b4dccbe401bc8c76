"""What comes is opened, checked, stored and kept, or refused or held with the reason."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from headless.inventory.collect import store
from headless.inventory.collect.collector import Collector
from headless.inventory.collect.kept import Fate, Kept
from headless.inventory.collect.members import unpack
from headless.inventory.collect.schema import packages, sets
from headless.inventory.collect.spool import Arrived, Letter
from headless.inventory.document import write_document
from headless.inventory.package import Package
from headless.inventory.report import Missing, Report
from headless.inventory.seal import seal, sign
from headless.inventory.text import write_text
from inventory_collecting import PEER, Desk, make_desk, plain, tell
from inventory_identities import Holder, make_holder
from inventory_support import DAY, make_report

MANY = tuple(Package("rpm", f"lib{number}", "0:1-1", "x86_64") for number in range(100))


def test_sealed_reports_are_stored_and_replays_change_nothing(desk: Desk) -> None:
    now = int(time.time())
    bodies = [desk.write("1", made=now - 5), desk.write("1", host="b"), desk.write("2", made=now - 3)]
    assert [tell(item) for item in desk.take(*bodies, bodies[0], received=now)] == [
        "stored: new",
        "stored: new",
        "stored: changed",
        "stored: new",
    ]
    before = desk.read_histories()
    assert [tell(item) for item in desk.take(*bodies, received=now + 60)] == ["nothing"] * 3
    assert desk.read_histories() == before


def test_a_plain_report_that_comes_again_says_the_same_again(desk: Desk) -> None:
    body, now = write_text(make_report(), plain=True), int(time.time())
    assert [tell(*desk.take(body, received=now - DAY)), tell(*desk.take(body, received=now))] == [
        "stored: new",
        "stored: same",
    ]
    [[(times, _)]] = desk.read_histories().values()
    assert times == (now - DAY, now)


def test_a_replay_from_a_host_whose_clock_is_ahead_changes_nothing(desk: Desk) -> None:
    now = int(time.time())
    first, second = (plain(version, made=now + 1800 + n) for n, version in enumerate("12"))
    desk.take(first, received=now)
    desk.take(second, received=now + 100)
    before = desk.read_histories()
    assert desk.take(first, received=now + 200) == desk.take(first, received=now + 300) == [None]
    assert desk.read_histories() == before


def test_what_was_refused_at_one_feed_may_come_by_another(desk: Desk) -> None:
    body, now = desk.write(), int(time.time())
    assert tell(*desk.take(body, received=now, address="198.51.100.1")).startswith("refused")
    assert tell(*desk.take(body, received=now + 1)) == "stored: new"
    assert tell(*desk.take(body, received=now + 2)) == "nothing"


def flip(body: bytes) -> bytes:
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda desk, other: b"", "empty"),
        (lambda desk, other: b" \n", "empty"),
        (lambda desk, other: b"#" * 300_000, "300000 bytes"),
        (lambda desk, other: seal(b"#" * 260_000, [desk.holder.certificate]), "260"),
        (lambda desk, other: flip(desk.write()), "."),
        (lambda desk, other: desk.write()[:-40], "."),
        (lambda desk, other: seal(plain(), [other.certificate]), "."),
        (lambda desk, other: sign(plain(), other.certificate, other.key), "signed by nobody"),
        (lambda desk, other: plain()[:-2], "cut short"),
        (lambda desk, other: write_text(Report(host="a", packages=())), "no packages"),
        (lambda desk, other: plain(made=int(time.time()) + 2 * DAY), "in the future"),
        (lambda desk, other: plain(made=int(time.time()) - 60 * DAY), "too old"),
        (lambda desk, other: plain(machine="0x12"), "hexadecimal"),
        (lambda desk, other: plain(host="a" * 300), "'host' is too long"),
        (lambda desk, other: plain("1" * 300), "version is too long"),
        (lambda desk, other: plain().replace(b"app", b"a\0p"), "NUL"),
        (lambda desk, other: b'{"format": "headless-inventory"}', "."),
        (lambda desk, other: b"\x30\x82\x00", "."),
    ],
)
def test_what_cannot_be_believed_is_refused_and_kept_with_its_reason(
    desk: Desk, holders: tuple[Holder, Holder], make: Callable[[Desk, Holder], bytes], reason: str
) -> None:
    desk = make_desk(Path(desk.settings.state).parent, holders[0], max_report=250_000)
    body = make(desk, holders[1])
    bad, good = desk.take(body, desk.write(host="good"))
    assert bad is not None and bad.fate == Fate.REFUSED and bad.reason
    assert reason == "." or reason in bad.reason
    assert tell(good) == "stored: new"
    with closing(Kept(desk.settings.kept)) as kept:
        assert kept.read(bad).body == body


def test_names_are_stored_as_they_are(desk: Desk) -> None:
    named = Report(host="a", site="S", packages=(Package("rpm", "<script>'\u00e9", "0:1-1"),))
    utf8, latin = write_text(named), write_text(named, plain=True).decode().replace("host: a", "host: b")
    assert [tell(item) for item in desk.take(utf8, latin.encode("latin-1"))] == ["stored: new"] * 2
    contents = {content for [(_, content)] in desk.read_histories().values()}
    assert len(contents) == 1


def test_who_may_send_what_is_said_by_the_feed(desk: Desk, holders: tuple[Holder, Holder]) -> None:
    def send(body: bytes, feed: str, address: str = PEER) -> str:
        return tell(*desk.take(body, feed=feed, address=address))

    holder = holders[0]
    signed = seal(sign(plain(), holder.certificate, holder.key), [holder.certificate])
    assert "may not send" in send(plain(), "main", "198.51.100.1")
    assert "may not send" in send(plain(), "main", "")
    assert "not in the settings" in send(plain(), "other")
    assert "sealed reports only" in send(sign(plain(), holder.certificate, holder.key), "strict")
    assert "signed reports only" in send(desk.write(), "strict")
    assert "site 'ELSE'" in send(
        seal(sign(plain(site="ELSE"), holder.certificate, holder.key), [holder.certificate]), "strict"
    )
    assert desk.read_histories() == {}
    assert send(signed, "strict") == "stored: new"


def test_a_list_that_shrinks_too_much_waits_for_somebody_to_look_at_it(desk: Desk) -> None:
    now = int(time.time())

    def write(count: int, made: int) -> bytes:
        return write_text(Report(host="a", site="S", packages=MANY[:count], made=made))

    assert tell(*desk.take(write(100, now - 30))) == "stored: new"
    assert tell(*desk.take(write(60, now - 20))) == "stored: changed"
    bodies = write(5, now - 10), write(6, now - 9)
    assert [tell(item) for item in desk.take(*bodies)] == [
        "held: 5 rpm packages, and 60 before",
        "held: 6 rpm packages, and 60 before",
    ]
    first, second = desk.list_held()
    with closing(Kept(desk.settings.kept)) as kept:
        assert kept.decide(first.id, Fate.ACCEPTED, "") and kept.decide(second.id, Fate.REFUSED, "not true")
        assert not kept.decide(second.id, Fate.ACCEPTED, "")
    desk.take()
    assert desk.list_held() == []
    [history] = desk.read_histories().values()
    assert [times for times, _ in history] == [(now - 30,), (now - 20,), (now - 10,)]


def test_too_much_said_beside_the_packages_is_refused(desk: Desk) -> None:
    missing = tuple(Missing("rpm", "x" * 1900) for _ in range(40))
    assert "beside the packages" in tell(*desk.take(plain(missing=missing)))


def test_what_is_gone_is_kept_with_what_is_held(desk: Desk) -> None:
    now = int(time.time())
    made = [(MANY, now - 9), (MANY[:60], now - 8), (MANY[:2], now - 7)]  # the last is held against the one before it
    bodies = [write_text(Report(host="a", site="S", packages=some, made=when)) for some, when in made]
    assert [tell(item) for item in desk.take(*bodies)] == [
        "stored: new", "stored: changed", "held: 2 rpm packages, and 60 before",
    ]  # fmt: skip
    later = write_text(Report(host="a", site="S", packages=MANY[5:8], made=now - 1))
    [item] = desk.take(later)
    assert item is not None
    with closing(Kept(desk.settings.kept)) as kept:
        first, second = (kept.find_gone(held.id) for held in desk.list_held())
        assert sorted(first) == sorted(MANY[2:60])
        assert sorted(second) == sorted([*MANY[:5], *MANY[8:60]])
        kept.forget(now + 1000)
        assert kept.find_gone(item.id) == []


def test_the_settings_say_how_many_packages_a_report_may_have(tmp_path: Path, holders: tuple[Holder, Holder]) -> None:
    desk = make_desk(tmp_path, holders[0], max_packages=60)
    bodies = (write_text(Report(host=f"h{count}", packages=MANY[:count])) for count in (60, 61))
    assert [tell(item) for item in desk.take(*bodies)] == [
        "stored: new",
        "refused: 61 packages, and 60 are taken at most",
    ]


def test_others_are_served_while_a_large_report_is_read_and_stored(desk: Desk) -> None:
    many = tuple(Package("rpm", f"lib{number}", "0:1-1", "x86_64") for number in range(40_000))

    async def work(collector: Collector) -> int:
        body = write_text(Report(host="a", packages=many))
        await collector.spool.put(body, Arrived(int(time.time()), "main", PEER))
        task = asyncio.create_task(collector.worker.work_off())
        turns = 0
        while not task.done():
            await asyncio.sleep(0.001)
            turns += 1
        assert await task == 1
        return turns

    assert desk.run(work) > 20
    assert read_lists(desk) == [{package.name for package in many}]


def test_sets_of_many_packages_are_stored_whole(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where they are numbered in several parts."""
    monkeypatch.setattr(store, "TOGETHER", 30)
    monkeypatch.setattr(store, "ROWS", 7)
    lists = [MANY[n : n + 10 * (n + 1)] for n in range(6)]
    bodies = [write_text(Report(host=f"h{n}", packages=lists[n])) for n in range(6)]
    assert {tell(item) for item in desk.take(*bodies)} == {"stored: new"}
    assert read_lists(desk) == [{package.name for package in some} for some in lists]


def read_lists(desk: Desk) -> list[set[str]]:
    """The names of the packages of each set that is stored, the shortest first."""

    def read(connection: Connection) -> list[set[str]]:
        names = {row.id: row.name for row in connection.execute(select(packages.c.id, packages.c.name))}
        members = connection.execute(select(sets.c.members)).scalars()
        return sorted(({names[number] for number in unpack(data)} for data in members), key=len)

    async def ask(collector: Collector) -> list[set[str]]:
        return await collector.store.read(read)

    found: list[set[str]] = desk.run(ask)
    return found


def test_each_kind_of_packages_is_looked_at_by_itself(desk: Desk) -> None:
    """A host that has lost all of rpm's is suspicious, however much else it has; one that says why is not."""
    now = int(time.time())
    pythons = tuple(Package("python", f"module{number}", "1") for number in range(300))
    gap = (Missing("rpm", "the database is locked"),)

    def take(made: int, packages: Sequence[Package], missing: tuple[Missing, ...] = ()) -> str:
        report = Report(host="a", packages=tuple(packages), made=now - 100 + made, missing=missing)
        return tell(*desk.take(write_document(report), received=now - 100 + made))

    assert take(1, (*MANY, *pythons[:100])) == "stored: new"
    assert take(2, pythons) == "held: 0 rpm packages, and 100 before"
    assert take(3, MANY) == "stored: changed"
    assert take(4, (*MANY, *pythons)) == "stored: changed"
    assert take(5, pythons, gap) == "stored: changed"
    assert take(6, pythons[1:], gap) == "stored: changed"
    assert take(7, (*MANY[:10], *pythons)) == "held: 10 rpm packages, and 100 before"
    assert take(8, (*MANY[:60], *pythons)) == "stored: changed"


def test_what_is_old_is_taken_if_somebody_vouches_for_it(desk: Desk, tmp_path: Path) -> None:
    """Also into the middle of what is known, and after it was refused once; signed by what has ended since."""
    now = int(time.time())
    old = make_holder(tmp_path, "old", days=-100)
    feeds = {**desk.settings.feeds, "main": replace(desk.settings.feeds["main"], signers=(str(old.certificate_file),))}
    desk = replace(desk, settings=replace(desk.settings, feeds=feeds))

    def take(version: str, days: int, **how: Any) -> str:
        report = sign(plain(version, made=now - days * DAY), old.certificate, old.key)
        received = how.pop("received", now)
        letter = Letter(Arrived(received, "main", PEER, **how), seal(report, [desk.holder.certificate]))
        return tell(*desk.take_letters(letter))

    for days in (300, 290, 200):
        assert take("1", days, received=now - days * DAY) == ("stored: new" if days == 300 else "stored: same")
    assert "which holds until" in take("2", 250)
    assert [take("2", days, any_age=True) for days in (250, 250, 295, 400)] == [
        "stored: older",
        "stored: replay",
        "stored: older",
        "stored: older",
    ]
    [history] = desk.read_histories().values()
    assert [times[0] for times, _ in history] == [now - days * DAY for days in (400, 300, 295, 200)]
