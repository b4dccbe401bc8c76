"""Whatever is wrong with a letter, a file, the disk or the database keeps nothing else from being taken."""

import asyncio
import errno
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from headless.errors import ParameterError, Skipped, Unavailable
from headless.inventory.collect import spool, worker
from headless.inventory.collect.collector import Collector, open_collector
from headless.inventory.collect.processing import Processor
from headless.inventory.collect.spool import Arrived, Letter
from inventory_collecting import PEER, Desk, make_desk, tell, work_in_background
from inventory_identities import Holder
from postgres import run_postgres


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


def test_a_file_that_another_process_takes_away_while_it_is_looked_at_is_no_fault(desk: Desk) -> None:
    desk.take()
    for name in ("00-1-1.0.batch", "00-1-2.new"):
        Path(desk.settings.spool, name).symlink_to("gone")  # listed, and not there when it is looked at

    async def sweep(collector: Collector) -> None:
        collector.spool.sweep()

    desk.run(sweep)


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


def test_reports_are_taken_while_a_command_writes_what_is_kept(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """The worker waits for it, and nobody else does."""
    desk.take(desk.write())

    async def work(collector: Collector) -> int:
        with closing(sqlite3.connect(desk.settings.kept, isolation_level=None)) as command:
            command.execute("begin immediate")
            command.execute("update letters set fate = 'again'")
            command.execute("commit")
            command.execute("begin immediate")
            task = asyncio.create_task(collector.worker.work_off())
            await asyncio.sleep(0.5)
            await collector.spool.put(desk.write(host="other"), Arrived(int(time.time()), "main", PEER))
            command.execute("commit")
        return await task

    assert desk.run(work) >= 1
    assert "waiting" not in caplog.text


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
