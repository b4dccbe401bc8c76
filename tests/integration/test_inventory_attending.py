"""What somebody at a terminal waits for is done between the parts of a backlog, not after it."""

import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import select

from headless.inventory.ask.retiring import Order
from headless.inventory.collect import spool, worker
from headless.inventory.collect.collector import Collector
from headless.inventory.collect.kept import Fate, Item
from headless.inventory.collect.orders import find_result, give_order
from headless.inventory.collect.schema import NEVER, retirements
from headless.inventory.collect.spool import Arrived, Letter
from headless.inventory.package import Package
from headless.inventory.report import Report
from headless.inventory.text import write_text
from inventory_collecting import PEER, Desk, make_desk, plain
from inventory_identities import make_holder

MANY = tuple(Package("rpm", f"lib{number}", "0:1-1", "x86_64") for number in range(100))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A collector that processes one file of the spool at a time, and looks for orders after each."""
    monkeypatch.setattr(spool, "GROUP", 1)
    monkeypatch.setattr(worker, "POLL_S", 0.0)
    return make_desk(tmp_path, make_holder(tmp_path, "collector"))


def test_a_review_and_an_order_do_not_wait_for_the_backlog(desk: Desk) -> None:
    now = int(time.time())
    shrunk = write_text(Report("small", MANY[:5], "S", made=now - 10))
    desk.take(write_text(Report("small", MANY, "S", made=now - 20)), shrunk, plain(host="old", made=now - 20))
    [held] = desk.list_held()

    async def work(collector: Collector) -> list[tuple[Fate, bool]]:
        kept, seen = collector.kept, []
        for number in range(4):
            await collector.spool.put(plain(host=f"h{number}"), Arrived(now, "main", PEER))
        number = give_order(kept, Order(("old",), now))
        assert kept.decide(held.id, Fate.ACCEPTED, "accepted")
        take = collector.worker._take_files

        async def watch(names: Sequence[str]) -> int:
            item = kept.get(held.id)
            assert item is not None
            seen.append((item.fate, find_result(kept, number) is not None))
            return await take(names)

        collector.worker._take_files = watch  # type: ignore[method-assign]
        await collector.worker.work_off()
        return seen

    assert desk.run(work) == [(Fate.ACCEPTED, False), *[(Fate.STORED, True)] * 3]


def test_what_is_processed_again_keeps_no_order_waiting(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "BATCH", 1)
    now = int(time.time())
    desk.take(*(plain(host=f"h{number}", made=now - 20) for number in range(3)))

    async def work(collector: Collector) -> list[bool]:
        number = give_order(collector.kept, Order(("h0",), now))
        collector.kept.process_again(0)
        left = []
        take = collector.worker._take_decided

        async def watch(decided: Sequence[Item], *, is_accepted: bool) -> int:
            left.append(find_result(collector.kept, number) is None)
            return await take(decided, is_accepted=is_accepted)

        collector.worker._take_decided = watch  # type: ignore[method-assign]
        await collector.worker.work_off()
        return left

    assert desk.run(work) == [True, False, False]


def test_a_report_that_waits_when_its_host_is_retired_does_not_bring_it_back(desk: Desk) -> None:
    now = int(time.time())
    desk.take(plain(host="old", made=now - 20))

    async def work(collector: Collector) -> tuple[list[str] | None, list[int]]:
        for made in (now - 15, now - 10):
            await collector.spool.put_letter(Letter(Arrived(now, "main", PEER), plain("2", host="old", made=made)))
        number = give_order(collector.kept, Order(("old",), now))
        await collector.worker.work_off()
        ends = await collector.store.read(
            lambda connection: connection.execute(select(retirements.c.ended)).scalars().all()
        )
        return find_result(collector.kept, number), list(ends)

    lines, ends = desk.run(work)
    assert lines and "retired" in lines[0]
    assert ends == [NEVER]
    assert sum(len(times) for [*spans] in desk.read_histories().values() for times, _ in spans) == 3
