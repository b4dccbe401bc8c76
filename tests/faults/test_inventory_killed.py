"""The collector is killed at any moment under load: what it has answered with OK is stored, once; nothing else is."""

import subprocess
import sys
from pathlib import Path

from fault_support import make_chance, scale
from headless.inventory.collect.collector import Collector
from inventory_collecting import Desk, make_desk
from inventory_identities import make_holder
from support import TIME_SCALE

# Puts reports without end, each of a host of its own, tells the numbers of those that were answered, and works.
PROGRAM = """
import asyncio, itertools, sys, time
from pathlib import Path
from headless.inventory.collect.collector import open_collector, work_in_background
from headless.inventory.collect.spool import Arrived
from inventory_collecting import PEER, make_desk
from inventory_identities import Holder
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

folder, first = Path(sys.argv[1]), int(sys.argv[2])
files = folder / "collector.pem", folder / "collector.key"
certificate = x509.load_pem_x509_certificate(files[0].read_bytes())
desk = make_desk(folder, Holder(certificate, load_pem_private_key(files[1].read_bytes(), None), *files))

async def put(collector, number):
    await collector.spool.put(desk.write(host=f"h{number}"), Arrived(int(time.time()), "main", PEER))
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()

async def main():
    async with open_collector(desk.settings) as collector, work_in_background(collector):
        for start in itertools.count(first, 10):
            await asyncio.gather(*(put(collector, number) for number in range(start, start + 10)))

asyncio.run(main())
"""


def list_hosts(desk: Desk) -> list[int]:
    """The numbers of the hosts that are stored, each as often as it has reported."""

    async def work(collector: Collector) -> None:
        await collector.worker.work_off()

    desk.run(work)
    histories = desk.read_histories().items()
    return sorted(int(name[1:]) for (name, *_), spans in histories for times, _ in spans for _ in times)


def test_nothing_that_was_answered_is_lost_and_nothing_is_stored_twice(tmp_path: Path) -> None:
    chance, answered = make_chance(), set()
    desk = make_desk(tmp_path, make_holder(tmp_path, "collector"))
    for turn in range(scale(3, 100)):
        first = turn * 1_000_000
        command = [sys.executable, "-c", PROGRAM, str(tmp_path), str(first)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]) as program:
            assert program.stdout is not None
            answered.add(int(program.stdout.readline()))  # it works
            killer = subprocess.Popen(["sleep", str(chance.uniform(0, 1.5) * TIME_SCALE)])
            killer.wait()
            program.kill()
            answered |= {int(line) for line in program.stdout.read().splitlines()}
    stored = list_hosts(desk)
    assert len(stored) == len(set(stored))
    assert answered - set(stored) == set()
