"""The conformance suite, part two: many jobs, submitters that come and go, supervisors that are killed."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine_bench import SLEEPS, STARTS, Bench, make_bench, wait_up
from engine_support import (
    find_left,
    find_supervisor,
    make_id,
    open_engine,
    read_output,
    read_status,
    wait_end,
    wait_phase,
)
from headless.engines.base import Phase
from headless.engines.local import LocalEngine
from support import TIME_SCALE


@pytest.fixture(params=STARTS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    """Every engine, every way to start, with and without control groups."""
    return make_bench(request.param, tmp_path)


def test_a_job_is_started_once_however_often_and_by_whomever(bench: Bench) -> None:
    runs = bench.folder / "runs"

    async def test(engine: LocalEngine) -> None:
        job = bench.job(f"open({str(runs)!r}, 'a').write('x')")
        async with open_engine(bench.jobs, cgroups=bench.cgroups) as other:
            handles = await asyncio.gather(*(each.submit(job) for each in (engine, other) * 5))
        assert len(set(handles)) == 1
        await wait_end(engine, handles[0])
        assert await engine.submit(job) == handles[0]
        assert (await read_status(engine, handles[0])).phase is Phase.ENDED
        assert runs.read_text() == "x"

    bench.run(test)


def test_a_job_whose_supervisor_was_killed_is_gone_at_once_and_for_good_and_nothing_of_it_runs(bench: Bench) -> None:
    runs = bench.folder / "runs"
    # The second child has no descriptor of the job's, and its parent has gone: only its group or its mark tells.
    code = f"""
import multiprocessing, os, subprocess, time
open({str(runs)!r}, "a").write("x")
subprocess.Popen(["setsid", "sleep", "100"])
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 99)
        time.sleep(100)
    os._exit(0)
os.wait()
print("up")
time.sleep(100)
"""

    async def test(engine: LocalEngine) -> None:
        job = bench.job(code, environment={"PATH": os.defpath, "LANG": "C.UTF-8"})
        handle = await engine.submit(job)
        await wait_up(engine, handle)
        assert len(find_left(bench.jobs)) >= 4
        supervisor = find_supervisor(handle)
        os.kill(supervisor, signal.SIGKILL)
        await wait_phase(engine, handle, Phase.GONE, 10)
        assert find_left(bench.jobs) == []
        assert await engine.submit(job) == handle
        await engine.cancel(handle, "enough")
        assert (await read_status(engine, handle)).phase is Phase.GONE
        assert runs.read_text() == "x"
        await engine.release(handle)
        assert not os.path.exists(handle)

    bench.run(test)


def test_a_job_outlives_a_submitter_that_is_killed_and_another_finds_it(bench: Bench) -> None:
    job_id, go = make_id(), bench.folder / "go"
    job = f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)\nprint('last')"
    submitter = f"""
import asyncio, os, signal, sys
sys.path[:0] = {sys.path!r}
from pathlib import Path
from engine_support import make_job, open_engine
async def main():
    async with open_engine(Path({str(bench.jobs)!r}), cgroups={bench.cgroups!r}) as engine:
        await engine.submit(make_job({job!r}, job_id={job_id!r}, python={bench.python!r}))
        os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", submitter], timeout=60 * TIME_SCALE, check=False)
    assert done.returncode == -signal.SIGKILL

    async def test(engine: LocalEngine) -> None:
        handle = await engine.find(job_id)
        assert (await read_status(engine, handle)).phase is Phase.RUNNING
        go.touch()
        assert (await wait_end(engine, handle)).code == 0
        assert await read_output(engine, handle) == b"last\n"

    bench.run(test)


def test_twenty_at_once_all_get_their_own(bench: Bench) -> None:
    async def test(engine: LocalEngine) -> None:
        async def run(number: int) -> None:
            handle = await engine.submit(bench.job(f"print({number}); raise SystemExit({number})"))
            assert (await read_status(engine, handle)).phase in (Phase.RUNNING, Phase.ENDED)
            assert (await wait_end(engine, handle)).code == number
            assert await read_output(engine, handle) == b"%d\n" % number

        await asyncio.gather(*map(run, range(20)))

    bench.run(test)


def test_one_question_for_many_and_nothing_is_known_of_what_was_never_submitted_or_was_released(bench: Bench) -> None:
    async def test(engine: LocalEngine) -> None:
        ended = await engine.submit(bench.job())
        await wait_end(engine, ended)
        running = await engine.submit(bench.job(SLEEPS))
        never = await engine.find(make_id())
        found = await engine.status([ended, running, never])
        assert {handle: status.phase for handle, status in found.items()} == {
            ended: Phase.ENDED, running: Phase.RUNNING, never: Phase.ABSENT,
        }  # fmt: skip
        await engine.release(ended)
        await engine.release(never)
        assert (await read_status(engine, ended)).phase is Phase.ABSENT
        assert not os.path.exists(ended)
        await engine.cancel(running, "enough")
        await wait_end(engine, running)

    bench.run(test)
