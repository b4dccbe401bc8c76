"""The collector is killed at any moment under load: what it has answered with OK is stored, once; nothing else is.

Nor does a kill make a report suspicious, but for one that was being opened each time.
"""

import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from fault_support import make_chance, scale
from headless.inventory.collect import worker
from headless.inventory.collect.collector import Collector
from headless.inventory.collect.kept import Fate, Kept
from headless.inventory.collect.spool import Arrived
from inventory_collecting import PEER, Desk, make_desk
from inventory_identities import make_holder
from support import TIME_SCALE

# Puts reports without end, each of a host of its own, tells the numbers of those that were answered, and works.
PROGRAM = """
import asyncio, itertools, sys, time
from pathlib import Path
from headless.inventory.collect.collector import open_collector
from headless.inventory.collect.spool import Arrived
from inventory_collecting import PEER, make_desk, work_in_background
from inventory_identities import read_holder

folder, first = Path(sys.argv[1]), int(sys.argv[2])
desk = make_desk(folder, read_holder(folder, "collector"))

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
    for turn in range(scale(6, 100)):
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


# Works on what is there, and tells that it waits for its database, or is done; or dies of what it opens.
ENDING = """
import asyncio, os, signal, sys
from pathlib import Path
from headless.errors import Unavailable
from headless.inventory.collect.collector import open_collector
from headless.inventory.collect.processing import Processor
from inventory_collecting import make_desk
from inventory_identities import read_holder

process = Processor.process

def die_of_it(processor, letter):
    if b"poison" in letter.body:
        os.kill(os.getpid(), signal.SIGKILL)
    return process(processor, letter)

async def be_away(_):
    print("waiting", flush=True)
    raise Unavailable("away")

async def main():
    async with open_collector(make_desk(Path(sys.argv[1]), read_holder(Path(sys.argv[1]), "collector")).settings) as it:
        if sys.argv[2] == "away":
            it.store.store = be_away
        await it.worker.work_off()
        print("done", flush=True)

Processor.process = die_of_it
asyncio.run(main())
"""


def run_until_killed(folder: Path, database: str) -> bytes:
    """Have it work, and kill it as soon as it tells something, which is returned: nothing if it died before."""
    command = [sys.executable, "-c", ENDING, str(folder), database]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]) as program:
        assert program.stdout is not None
        told = program.stdout.readline()
        program.kill()
    return told


def put(desk: Desk, *bodies: bytes) -> None:
    """Have bodies answered with OK, and not processed yet: a file each."""

    async def work(collector: Collector) -> None:
        for body in bodies:
            await collector.spool.put(body, Arrived(int(time.time()), "main", PEER))

    desk.run(work)


def test_kills_while_the_database_is_away_are_held_against_no_report(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, make_holder(tmp_path, "collector"))
    put(desk, *(desk.write(host=f"h{number}") for number in range(5)))
    for _ in range(6):
        assert run_until_killed(tmp_path, "away") == b"waiting\n"
    assert list_hosts(desk) == [0, 1, 2, 3, 4]
    assert desk.list_held() == []


def test_what_kills_whoever_opens_it_is_held_and_nothing_else(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, make_holder(tmp_path, "collector"))
    put(desk, desk.write(host="h0"), b"poison", desk.write(host="h1"))
    for _ in range(worker.TRIES):
        assert run_until_killed(tmp_path, "there") == b""
    assert run_until_killed(tmp_path, "there") == b"done\n"
    assert list_hosts(desk) == [0, 1]
    assert ["3 times" in item.reason for item in desk.list_held()] == [True]


def test_what_is_held_for_that_kills_once_more_if_it_is_accepted_and_is_held_again(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, make_holder(tmp_path, "collector"))
    put(desk, b"poison")
    for _ in range(worker.TRIES):
        assert run_until_killed(tmp_path, "there") == b""
    for _ in range(2):
        assert run_until_killed(tmp_path, "there") == b"done\n"
        [held] = desk.list_held()
        with closing(Kept(desk.settings.kept)) as kept:
            assert kept.decide(held.id, Fate.ACCEPTED, "accepted by a reviewer")
        assert run_until_killed(tmp_path, "there") == b""
    assert run_until_killed(tmp_path, "there") == b"done\n"
    assert len(desk.list_held()) == 1


def test_what_kills_whoever_processes_it_again_is_held_and_nothing_else(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, make_holder(tmp_path, "collector"))
    desk.take(desk.write(host="h0"), b"poison", desk.write(host="h1"))
    with closing(Kept(desk.settings.kept)) as kept:
        assert kept.process_again(0) == 3
    for _ in range(worker.TRIES):
        assert run_until_killed(tmp_path, "there") == b""
    assert run_until_killed(tmp_path, "there") == b"done\n"
    assert ["3 times" in item.reason for item in desk.list_held()] == [True]
    with closing(Kept(desk.settings.kept)) as kept:
        assert kept.list_by_fate(Fate.AGAIN) == []
        assert kept.process_again(0) == 2  # those that are stored
