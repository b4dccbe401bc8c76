"""What comes is opened, checked, stored and kept, and whatever is wrong with one letter keeps no other from it."""

import asyncio
import errno
import os
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from headless.errors import ParameterError, Skipped, Unavailable
from headless.inventory.collect import spool, store, worker
from headless.inventory.collect.arrival import Arrival
from headless.inventory.collect.collector import Collector, open_collector, work_in_background
from headless.inventory.collect.kept import Fate, Item, Kept
from headless.inventory.collect.members import unpack
from headless.inventory.collect.opening import NO_KEY
from headless.inventory.collect.processing import Processor
from headless.inventory.collect.schema import packages, sets
from headless.inventory.collect.spool import Arrived, Letter
from headless.inventory.document import write_document
from headless.inventory.package import Package
from headless.inventory.report import Missing, Report
from headless.inventory.seal import seal, sign
from headless.inventory.text import write_text
from inventory_collecting import PEER, Desk, make_desk
from inventory_identities import Holder, make_holder
from inventory_support import DAY, make_report
from postgres import run_postgres

MANY = tuple(Package("rpm", f"lib{number}", "0:1-1", "x86_64") for number in range(100))


@pytest.fixture(scope="module")
def holders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Holder, Holder]:
    """The collector, and a stranger."""
    folder = tmp_path_factory.mktemp("keys")
    return make_holder(folder, "collector"), make_holder(folder, "stranger")


@pytest.fixture
def desk(tmp_path: Path, holders: tuple[Holder, Holder]) -> Desk:
    return make_desk(tmp_path, holders[0])


def tell(item: Item | None) -> str:
    return "nothing" if item is None else f"{item.fate}: {item.reason}"


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


def plain(version: str = "1", **fields: Any) -> bytes:
    return write_text(make_report(version, **fields))


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


def test_what_is_kept_is_processed_again_when_a_key_has_been_added(desk: Desk, holders: tuple[Holder, Holder]) -> None:
    assert "refused" in tell(*desk.take(seal(plain(), [holders[1].certificate])))
    other = Path(desk.settings.state).parent / "other.pem"
    other.write_bytes(holders[1].certificate_file.read_bytes() + holders[1].key_file.read_bytes())
    desk = make_desk(other.parent, holders[0], keys=(*desk.settings.keys, str(other)))
    with closing(Kept(desk.settings.kept)) as kept:
        assert kept.process_again(0) == 1
    desk.take()
    assert len(desk.read_histories()) == 1


def test_what_is_stored_stays_so_when_it_cannot_be_opened_again(desk: Desk, holders: tuple[Holder, Holder]) -> None:
    body, now = desk.write(), int(time.time())
    desk.take(body, received=now)
    for keys, outcome in (((), "stored: new"), (desk.settings.keys, "stored: replay")):
        with closing(Kept(desk.settings.kept)) as kept:
            assert kept.process_again(0) == 1
        worked = replace(desk, settings=replace(desk.settings, keys=keys)).run(work_off_and_tell)
        assert worked == ((0, "") if keys else (1, NO_KEY))
        with closing(Kept(desk.settings.kept)) as kept:
            assert tell(kept.find(Letter(Arrived(now), body))) == outcome
    assert len(desk.read_histories()) == 1


async def work_off_and_tell(collector: Collector) -> tuple[int, str]:
    await collector.worker.work_off()
    return collector.worker.unread, collector.worker.why_unread


def test_large_bodies_are_processed_again_a_few_at_a_time(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.take(*(desk.write(host=f"h{number}") for number in range(5)))
    with closing(Kept(desk.settings.kept)) as kept:
        assert kept.process_again(0) == 5
    monkeypatch.setattr(worker, "PART_BYTES", 1)
    sizes: list[int] = []

    async def work(collector: Collector) -> int:
        store = collector.store.store

        async def count(arrivals: Sequence[Arrival]) -> Any:
            sizes.append(len(arrivals))
            return await store(arrivals)

        monkeypatch.setattr(collector.store, "store", count)
        return await collector.worker.work_off()

    assert desk.run(work) == 5
    assert sizes == [1] * 5


def test_too_much_said_beside_the_packages_is_refused(desk: Desk) -> None:
    missing = tuple(Missing("rpm", "x" * 1900) for _ in range(40))
    assert "beside the packages" in tell(*desk.take(plain(missing=missing)))


def test_what_ends_the_collector_again_and_again_is_set_aside(desk: Desk) -> None:
    async def put_and_die(collector: Collector) -> None:
        await asyncio.gather(*(collector.spool.put(desk.write(host=f"h{n}"), Arrived(5, "main", PEER)) for n in "ab"))

    desk.run(put_and_die)
    folder = desk.settings.spool

    def die_thrice() -> None:
        for name in os.listdir(folder):
            os.rename(f"{folder}/{name}", f"{folder}/{name.replace('.0.', '.3.')}")

    die_thrice()

    async def split(collector: Collector) -> None:
        for name in collector.spool.list_files():
            collector.spool.split(name)

    desk.run(split)
    assert len(os.listdir(folder)) == 2
    die_thrice()
    desk.take(desk.write(host="c"))
    assert len(desk.read_histories()) == 1
    assert ["3 times" in item.reason for item in desk.list_held()] == [True, True]


def test_a_damaged_file_is_set_aside(desk: Desk) -> None:
    desk.take()
    Path(desk.settings.spool, "00-1-1.0.batch").write_bytes(b'{"size": 5, "how": {}, "replaces": false}\nabc')
    assert tell(*desk.take(desk.write())) == "stored: new"
    assert os.listdir(desk.settings.spool) == ["00-1-1.0.damaged"]


def test_a_file_that_cannot_be_read_at_the_moment_waits(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [errno.EMFILE, errno.ENOMEM]

    def open_later(*arguments: Any) -> Any:
        if failures:
            raise OSError(failures.pop(), "too few")
        return open(*arguments)

    monkeypatch.setattr(worker, "PAUSE_S", 0.01)

    async def take(collector: Collector) -> int:
        await collector.spool.put(desk.write(), Arrived(int(time.time()), "main", PEER))
        monkeypatch.setattr(spool, "open", open_later, raising=False)
        return await collector.worker.work_off()

    assert desk.run(take) == 1
    assert not failures
    assert len(desk.read_histories()) == 1


def test_a_wait_for_the_database_is_not_held_against_a_file(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither is being told to stop meanwhile; that what is in it is opened is noted, for as long as it is."""
    seen: list[list[str]] = []

    async def stop(collector: Collector) -> list[str]:
        await collector.spool.put(desk.write(), Arrived(int(time.time()), "main", PEER))
        process, is_waiting = Processor.process, asyncio.Event()

        def look_on(processor: Processor, letter: Letter) -> Any:
            seen.append(collector.spool.list_files())
            return process(processor, letter)

        async def be_away(_: object) -> None:
            seen.append(collector.spool.list_files())
            is_waiting.set()
            raise Unavailable("away")

        monkeypatch.setattr(Processor, "process", look_on)
        monkeypatch.setattr(collector.store, "store", be_away)
        async with work_in_background(collector):
            await is_waiting.wait()
        return collector.spool.list_files()

    [name] = desk.run(stop)
    assert [[spool.count_tries(name) for name in names] for names in seen] == [[1], [0]]
    assert spool.count_tries(name) == 0


def test_a_bug_in_the_writer_is_told_and_the_next_body_is_taken(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def put(collector: Collector) -> None:
        how = Arrived(int(time.time()), "main", PEER)
        with monkeypatch.context() as broken:
            broken.setattr(spool, "_build_record", None)
            with pytest.raises(TypeError):
                await collector.spool.put(b"x", how)
        await collector.spool.put(b"x", how)

    desk.run(put)


def test_a_full_spool_takes_nothing_more_and_loses_nothing(desk: Desk, holders: tuple[Holder, Holder]) -> None:
    desk = make_desk(Path(desk.settings.state).parent, holders[0], max_spool=3000)

    async def fill(collector: Collector) -> int:
        body = desk.write()
        for number in range(100):
            try:
                await collector.spool.put(body + b" " * number, Arrived(5, "main", PEER))
            except Unavailable:
                return number
        return 0

    assert 0 < desk.run(fill) < 4
    assert desk.take()[:] == []


def test_one_process_takes_out_of_the_spool(desk: Desk) -> None:
    async def open_twice(collector: Collector) -> None:
        with pytest.raises(Skipped):
            async with open_collector(desk.settings):
                pass

    desk.run(open_twice)


def test_what_is_over_its_time_is_forgotten(desk: Desk) -> None:
    now = int(time.time())
    desk.take(plain(), received=now - 20 * DAY)
    desk.take(plain(), received=now)
    with closing(Kept(desk.settings.kept)) as kept:
        assert [kept.forget(now - DAY), kept.forget(now - DAY)] == [1, 0]
        assert kept.process_again(0) == 1
    desk.take()
    assert len(desk.read_histories()) == 1


def test_while_the_database_is_away_what_comes_waits(tmp_path: Path, holders: tuple[Holder, Holder]) -> None:
    with run_postgres() as server:
        desk = make_desk(tmp_path, holders[0], database=server.create_database("away"))

        async def work(collector: Collector) -> None:
            server.stop()
            try:
                await collector.spool.put(desk.write(), Arrived(int(time.time()), "main", PEER))
                task = asyncio.create_task(collector.worker.work_off())
                done, _ = await asyncio.wait([task], timeout=1.5)
                assert not done
            finally:
                server.start()
            assert await task == 1

        desk.run(work)
        assert len(desk.read_histories()) == 1


def test_a_command_without_the_settings_does_not_begin_another_database(
    tmp_path: Path, holders: tuple[Holder, Holder]
) -> None:
    make_desk(tmp_path, holders[0]).take()
    (tmp_path / "state" / "database").write_text("postgresql://inventory@db/inventory\n")
    with pytest.raises(ParameterError, match="inventory@db"):
        make_desk(tmp_path, holders[0]).take()


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


def test_many_files_are_processed_together_and_suspicious_ones_alone(desk: Desk) -> None:
    async def look(collector: Collector) -> list[list[str]]:
        for name in ("01-1-1.0.batch", "02-1-1.0.batch", "03-1-1.2.batch", "04-1-1.0.batch", "05-1-1.0.batch"):
            Path(desk.settings.spool, name).write_bytes(b"")
        Path(desk.settings.spool, "06-1-1.0.batch").write_bytes(bytes(spool.PART_BYTES + 1))
        return [[name[:2] for name in names] for names in collector.spool.list_groups()]

    assert desk.run(look) == [["01", "02"], ["03"], ["04", "05"], ["06"]]


def test_a_full_disk_is_told_once_a_while(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    async def put(collector: Collector) -> None:
        os.rename(desk.settings.spool, desk.settings.spool + ".away")
        for _ in range(5):
            with pytest.raises(Unavailable):
                await collector.spool.put(b"x", Arrived(int(time.time()), "main", PEER))
        os.rename(desk.settings.spool + ".away", desk.settings.spool)

    desk.run(put)
    assert [record.message for record in caplog.records].count(
        "spool-write-failed reason='No such file or directory'"
    ) == 1
