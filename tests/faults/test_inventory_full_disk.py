"""The collector's disk is full: what cannot be kept is refused, what was answered is stored once there is room."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from headless.errors import Unavailable
from headless.inventory.collect.collector import Collector
from headless.inventory.collect.spool import Arrived
from inventory_collecting import PEER, Desk, make_desk
from inventory_identities import make_holder
from small_disk import mount_small


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A collector whose state folder is a disk of its own, and a small one."""
    disk = tmp_path / "state"
    disk.mkdir()
    with mount_small(disk, 3 << 20, "700"):
        yield make_desk(tmp_path, make_holder(tmp_path, "collector"))


def test_a_full_disk_refuses_and_loses_nothing(desk: Desk) -> None:
    ballast = Path(desk.settings.state, "ballast")

    async def work(collector: Collector) -> int:
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 4096)
        with ballast.open("r+b") as file:
            file.truncate(ballast.stat().st_size - 65536)  # room for some bodies, and not for all
        answered = 0
        for number in range(200):
            try:
                body = desk.write(host=f"h{number}")
                await collector.spool.put(body, Arrived(int(time.time()), "main", PEER))
            except Unavailable:
                continue
            answered += 1
        assert 0 < answered < 200
        task = asyncio.create_task(collector.worker.work_off())
        done, _ = await asyncio.wait([task], timeout=1)
        ballast.unlink()
        assert not done
        await task
        return answered

    assert desk.run(work) == len(desk.read_histories())
