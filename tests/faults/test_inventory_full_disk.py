"""The collector's disk is full: what cannot be kept is refused, what was answered is stored once there is room."""

import asyncio
import subprocess
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
from job_support import require_mounts


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A collector whose state folder is a disk of its own, and a small one."""
    require_mounts()
    disk = tmp_path / "state"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m,mode=700", "headless-test", str(disk)]
    done = subprocess.run(mount, capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"needs the right to mount: {done.stderr.decode().strip()}")
    try:
        yield make_desk(tmp_path, make_holder(tmp_path, "collector"))
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


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
