"""What is kept is processed again, and is forgotten when its time is over."""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headless.inventory.collect import worker
from headless.inventory.collect.arrival import Arrival
from headless.inventory.collect.collector import Collector
from headless.inventory.collect.kept import Kept
from headless.inventory.collect.opening import NO_KEY
from headless.inventory.collect.spool import Arrived, Letter
from headless.inventory.seal import seal
from inventory_collecting import Desk, make_desk, plain, tell
from inventory_identities import Holder
from inventory_support import DAY


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


def test_what_is_over_its_time_is_forgotten(desk: Desk) -> None:
    now = int(time.time())
    desk.take(plain(), received=now - 20 * DAY)
    desk.take(plain(), received=now)
    with closing(Kept(desk.settings.kept)) as kept:
        assert [kept.forget(now - DAY), kept.forget(now - DAY)] == [1, 0]
        assert kept.process_again(0) == 1
    desk.take()
    assert len(desk.read_histories()) == 1
