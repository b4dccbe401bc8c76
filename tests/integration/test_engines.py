"""The conformance suite: what every engine must keep. The engine is a parameter, and so is the way jobs start."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from engine_bench import SLEEPS, STARTS, Bench, make_bench, wait_up
from engine_support import (
    find_supervisor,
    make_id,
    read_output,
    read_status,
    wait_end,
    wait_phase,
)
from headless.engines.base import CannotStart, Limits, OsUser, Phase, Piece
from headless.engines.local import LocalEngine
from headless.job import Ending
from support import wait_for

IGNORES = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up')\nimport time\ntime.sleep(100)"
DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(100)
    os._exit(0)
print("up")
time.sleep(100)
"""


@pytest.fixture(params=STARTS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    """Every engine, every way to start, with and without control groups."""
    return make_bench(request.param, tmp_path)


@pytest.mark.parametrize(
    ("code", "ending", "number"),
    [
        ("pass", Ending.STATUS, 0),
        ("import sys; sys.exit(7)", Ending.STATUS, 7),
        ("import os; os._exit(255)", Ending.STATUS, 255),
        ("raise ValueError('\"\\\\é\U0001f600')", Ending.EXCEPTION, 1),
        ("1/0", Ending.EXCEPTION, 1),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", Ending.SIGNAL, 9),
        ("import os; os.abort()", Ending.SIGNAL, 6),
    ],
    ids=["0", "7", "255", "strange exception", "exception", "killed", "aborted"],
)
def test_the_outcome_is_the_jobs_own(bench: Bench, code: str, ending: Ending, number: int) -> None:
    async def test(engine: LocalEngine) -> None:
        outcome = await wait_end(engine, await engine.submit(bench.job(code)))
        assert (outcome.ending, outcome.code) == (ending, number)
        reasons = ("ZeroDivisionError: division by zero", 'ValueError: "\\é\U0001f600') if number == 1 else ("",)
        assert outcome.reason in reasons

    bench.run(test)


def test_a_job_that_cannot_be_started_is_told_so_one_way_or_the_other(bench: Bench) -> None:
    async def test(engine: LocalEngine) -> None:
        outcome = await wait_end(engine, await engine.submit(bench.job(stdin="/nonexistent/input")))
        assert (outcome.ending, outcome.reason[:28]) == (Ending.NOT_STARTED, "the job could not be started")
        with pytest.raises(CannotStart, match="the job could not be started: File name too long"):
            await engine.submit(bench.job(job_id="x" * 300))

    bench.run(test)


def test_arguments_and_environment_arrive_as_they_are(bench: Bench) -> None:
    strange = ["", " ", "a b", "\"'$(id)`\\\n\t", "é\U0001f600", os.fsdecode(b"\xff\xfe"), "-c", "--", "*"]

    async def test(engine: LocalEngine) -> None:
        code = "import os, sys; print([os.fsencode(a) for a in sys.argv[1:]], os.environb[b'V'])"
        job = bench.job(code, arguments=strange, environment={"V": strange[3], "LANG": "C.UTF-8"})
        handle = await engine.submit(job)
        assert (await wait_end(engine, handle)).code == 0
        expected = f"{[os.fsencode(argument) for argument in strange]} {os.fsencode(strange[3])!r}\n"
        assert await read_output(engine, handle) == expected.encode()

    bench.run(test)


def test_a_job_is_ended_at_its_run_time_limit(bench: Bench) -> None:
    async def test(engine: LocalEngine) -> None:
        handle = await engine.submit(bench.job(SLEEPS, max_runtime_s=0.3, grace_s=30))
        outcome = await wait_end(engine, handle, 10)
        assert (outcome.ending, outcome.code) == (Ending.LIMIT, signal.SIGTERM)
        assert outcome.reason == "its run-time limit of 0.3 s"
        assert outcome.duration_s >= 0.3

    bench.run(test)


@pytest.mark.parametrize("how", ["limit", "cancel"])
def test_a_job_that_takes_no_notice_of_term_is_killed_after_its_grace(bench: Bench, how: str) -> None:
    async def test(engine: LocalEngine) -> None:
        handle = await engine.submit(bench.job(IGNORES, max_runtime_s=2.0 if how == "limit" else None, grace_s=0.4))
        await wait_up(engine, handle)
        if how == "cancel":
            await engine.cancel(handle, "enough")
        outcome = await wait_end(engine, handle, 10)
        assert (outcome.ending, outcome.code) == (Ending(how + "led" * (how == "cancel")), signal.SIGKILL)
        assert outcome.reason == ("enough" if how == "cancel" else "its run-time limit of 2 s")
        assert outcome.duration_s >= 0.4

    bench.run(test)


def test_cancel_may_be_repeated_the_first_reason_counts_and_what_has_ended_is_left_alone(bench: Bench) -> None:
    async def test(engine: LocalEngine) -> None:
        handle = await engine.submit(bench.job(DAEMON))
        await wait_up(engine, handle)
        for reason in ("by\nme", "by another"):
            await engine.cancel(handle, reason)
        first = await wait_phase(engine, handle, Phase.ENDED, 10)
        assert first.outcome is not None
        assert (first.outcome.ending, first.outcome.code, first.outcome.reason) == (Ending.CANCELLED, 15, "by me")
        await engine.cancel(handle, "too late")
        assert await read_status(engine, handle) == first
        await engine.cancel(await engine.find(make_id()), "there is no such job")

    bench.run(test)


def test_a_jobs_own_end_stands_if_it_came_before_the_cancel(bench: Bench) -> None:
    """A child is left that needs a second to be ended; the cancel comes in that second."""

    async def test(engine: LocalEngine) -> None:
        handle = await engine.submit(
            bench.job("import subprocess as s; s.Popen(['sleep', '100']); raise SystemExit(3)")
        )
        supervisor = find_supervisor(handle)
        children = Path(f"/proc/{supervisor}/task/{supervisor}/children")
        wait_for(lambda: _read_names(children) == ["sleep"], "the child that is left", 10)
        await engine.cancel(handle, "enough")
        outcome = await wait_end(engine, handle, 10)
        assert (outcome.ending, outcome.code) == (Ending.STATUS, 3)
        assert outcome.reason == "1 process it left behind had to be ended"

    bench.run(test)


def test_a_cancel_before_the_start_or_while_starting_is_never_lost(bench: Bench) -> None:
    async def test(engine: LocalEngine) -> None:
        async def start_and_cancel(pause_s: float) -> None:
            job = bench.job(SLEEPS)
            start = asyncio.create_task(engine.submit(job))
            await asyncio.sleep(pause_s)
            await engine.cancel(await engine.find(job.job_id), "enough")
            outcome = await wait_end(engine, await start, 10)
            assert (outcome.ending, outcome.reason) == (Ending.CANCELLED, "enough")
            assert outcome.code in (None, signal.SIGTERM)

        await asyncio.gather(*(start_and_cancel(number * 0.002) for number in range(10)))

    bench.run(test)


def test_a_job_that_was_cancelled_before_its_process_was_made_is_never_run(bench: Bench) -> None:
    """The engine has ended between the plan and the start; the request waits in the folder."""

    async def test(engine: LocalEngine) -> None:
        job = bench.job(f"open({str(bench.folder / 'ran')!r}, 'w')")
        handle = await engine.find(job.job_id)
        os.mkdir(handle)
        await engine.cancel(handle, "enough")
        assert (await read_status(engine, handle)).phase is Phase.ABSENT
        assert await engine.submit(job) == handle
        outcome = await wait_end(engine, handle, 10)
        assert (outcome.ending, outcome.code, outcome.reason) == (Ending.CANCELLED, None, "enough")
        assert not (bench.folder / "ran").exists()

    bench.run(test)


def test_output_is_there_while_the_job_runs_and_from_any_offset(bench: Bench) -> None:
    go = bench.folder / "go"

    async def test(engine: LocalEngine) -> None:
        code = (
            f"import os, time\nprint('first')\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)\nprint('last')"
        )
        handle = await engine.submit(bench.job(code))
        await wait_up(engine, handle, b"first\n")
        assert (await read_status(engine, handle)).phase is Phase.RUNNING
        assert await engine.output(handle, "stdout", 2, 2) == Piece(2, b"rs")
        go.touch()
        await wait_end(engine, handle)
        assert await read_output(engine, handle, offset=6) == b"last\n"
        assert await engine.output(handle, "stdout", -3, 99) == Piece(8, b"st\n")
        assert await engine.output(handle, "stdout", 99, 99) == Piece(99, b"")
        assert await engine.output(handle, "stderr", 0, 99) == Piece(0, b"")

    bench.run(test)


def test_of_a_long_output_head_and_tail_are_kept(bench: Bench) -> None:
    """300 MB in lines that say their own offset, of which 64 KiB are kept."""
    length, count = 100, 3_000_000
    line = f"sys.stdout.buffer.write(b'%0{length - 1}d\\n' % at)"
    code = f"import sys\nfor at in range(0, {length * count}, {length}): {line}"

    async def test(engine: LocalEngine) -> None:
        handle = await engine.submit(bench.job(code))
        outcome = await wait_end(engine, handle, 60)
        offset, gaps, kept = 0, 0, 0
        while (piece := await engine.output(handle, "stdout", offset, 1000 * length)).data:
            gaps += piece.offset > offset
            skip = -piece.offset % length
            if len(piece.data) >= skip + length:
                assert int(piece.data[skip : skip + length]) == piece.offset + skip
            kept += len(piece.data)
            offset = piece.offset + len(piece.data)
        assert (outcome.code, outcome.reason, gaps, offset) == (0, "", 1, length * count)
        assert outcome.dropped == {"stdout": length * count - kept}
        assert 1 << 15 < kept <= 1 << 16
        assert (await engine.output(handle, "stdout", -1, 9)).data == b"\n"

    bench.run(test, max_output=1 << 16)


@pytest.mark.parametrize(
    ("limits", "code", "ending", "number", "reason"),
    [
        ({"cpu_s": 1}, "while True: pass", Ending.SIGNAL, signal.SIGXCPU, "its CPU time limit of 1 s"),
        ({"memory": 1 << 30}, "bytearray(1 << 31)", Ending.EXCEPTION, 1, "MemoryError:"),
        ({"open_files": 20}, "import os; [os.dup(0) for _ in range(20)]", Ending.EXCEPTION, 1,
         "OSError: [Errno 24] Too many open files"),
        ({"nice": 5}, "import os, sys; sys.exit(os.nice(0))", Ending.STATUS, 5 + os.nice(0), ""),
        ({}, "import resource as r, sys; sys.exit(any(r.getrlimit(r.RLIMIT_CORE)))", Ending.STATUS, 0, ""),
    ],
    ids=["cpu", "memory", "files", "nice", "core"],
)  # fmt: skip
def test_what_a_job_may_use_is_limited(
    bench: Bench, limits: dict[str, int], code: str, ending: Ending, number: int, reason: str
) -> None:
    async def test(engine: LocalEngine) -> None:
        outcome = await wait_end(engine, await engine.submit(bench.job(code, limits=Limits(**limits))), 30)
        assert (outcome.ending, outcome.code, outcome.reason) == (ending, number, reason)

    bench.run(test)


def test_a_program_that_takes_no_notice_of_its_cpu_limit_is_killed_for_it(bench: Bench) -> None:
    code = "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"

    async def test(engine: LocalEngine) -> None:
        outcome = await wait_end(engine, await engine.submit(bench.job(code, limits=Limits(cpu_s=1))), 60)
        assert (outcome.ending, outcome.code, outcome.reason) == (Ending.SIGNAL, 9, "its CPU time limit of 1 s")

    bench.run(test)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user whose processes are counted")
def test_the_processes_of_a_user_are_limited(bench: Bench) -> None:
    bench.folder.chmod(0o755)
    for folder in (bench.folder, *list(bench.folder.parents)[:-1]):
        folder.chmod(folder.stat().st_mode | 0o011)
    user = OsUser("job", 54321, 54321, (), "/")
    code = "import os, time\nfor number in range(9):\n if os.fork() == 0: time.sleep(100)"

    async def test(engine: LocalEngine) -> None:
        job = bench.job(code, user=user, limits=Limits(processes=5), python="")
        outcome = await wait_end(engine, await engine.submit(job), 30)
        assert outcome.reason.startswith("BlockingIOError: [Errno 11] Resource temporarily unavailable; ")

    bench.run(test)


def _read_names(children: Path) -> list[str]:
    try:
        return [Path(f"/proc/{pid}/comm").read_text().strip() for pid in children.read_text().split()]
    except OSError:
        return []
