"""The local engine: what it promises of jobs, handles and outputs, and what stops it."""

import asyncio
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from headless.engines.base import CannotStart, EngineJob, Phase, Piece, Status
from headless.engines.local import LocalEngine
from headless.execution import warm
from headless.job import Ending
from job_support import find_warm, list_children, list_descriptors, list_warm, wait_dead
from support import TIME_SCALE


@asynccontextmanager
async def _open_engine(folder: Path, **options: Any) -> AsyncIterator[LocalEngine]:
    environment = {"PATH": os.defpath, "LANG": "C.UTF-8"}
    engine = LocalEngine(str(folder), environment, **{"max_output": 1 << 20, "descriptors": 1024, **options})
    try:
        yield engine
    finally:
        await engine.close()


def _job(job_id: str, code: str = "pass", **changes: Any) -> EngineJob:
    values: dict[str, Any] = {"script": None, "source": code.encode(), "arguments": (), "environment": {}}
    return EngineJob(**{"job_id": job_id, "name": "n", "stdin": None, "user": None, **values, **changes})


async def _wait_end(engine: LocalEngine, handle: str) -> Status:
    async with asyncio.timeout(30 * TIME_SCALE):
        while (status := (await engine.status([handle]))[handle]).phase is not Phase.ENDED:
            await asyncio.sleep(0.02)
    return status


def _run(folder: Path, test: Callable[[LocalEngine], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        async with _open_engine(folder, **options) as engine:
            await test(engine)

    asyncio.run(main())


def test_a_job_goes_from_submit_to_release(tmp_path: Path) -> None:
    async def test(engine: LocalEngine) -> None:
        rung: list[str] = []
        engine.subscribe(rung.append)
        code = "import sys; from headless import job; job.progress(2, 2); job.result([1]); print(sys.argv[1:])"
        handle = await engine.submit(_job("A", code, arguments=("x", "y")))
        assert handle == await engine.find("A")
        status = await _wait_end(engine, handle)
        assert status.outcome is not None and status.outcome.ending is Ending.STATUS and status.outcome.code == 0
        assert status.progress == (2.0, 2.0)
        assert await engine.result(handle) == (True, [1])
        pieces = [
            await engine.output(handle, "stdout", offset, size) for offset, size in ((0, 99), (2, 3), (-3, 9), (99, 9))
        ]
        assert pieces == [Piece(0, b"['x', 'y']\n"), Piece(2, b"x',"), Piece(8, b"']\n"), Piece(99, b"")]
        assert await engine.output(handle, "stderr", 0, 99) == Piece(0, b"")
        await asyncio.sleep(0)  # the bell is read by the loop
        assert set(rung) == {"A"}
        await engine.release(handle)
        assert not os.path.exists(handle)
        assert (await engine.status([handle]))[handle] == Status(phase=Phase.ABSENT)

    _run(tmp_path, test)


def test_the_same_id_starts_once(tmp_path: Path) -> None:
    async def test(engine: LocalEngine) -> None:
        code = f"open({str(tmp_path / 'runs')!r}, 'a').write('x')"
        handle = await engine.submit(_job("A", code))
        assert await engine.submit(_job("A", code)) == handle
        await _wait_end(engine, handle)
        assert (tmp_path / "runs").read_text() == "x"

    _run(tmp_path, test)


@pytest.mark.parametrize("python", ["", sys.executable], ids=["warm", "cold"])
def test_a_script_that_is_gone_before_its_start_is_told(tmp_path: Path, python: str) -> None:
    async def test(engine: LocalEngine) -> None:
        handle = await engine.submit(_job("A", script=str(tmp_path / "gone.py"), python=python))
        outcome = (await _wait_end(engine, handle)).outcome
        assert outcome is not None and (outcome.ending, outcome.code) == (Ending.EXCEPTION, 1)
        assert outcome.reason == f"FileNotFoundError: [Errno 2] No such file or directory: '{tmp_path}/gone.py'"

    _run(tmp_path, test)


def test_a_state_folder_may_have_a_name_that_is_too_long_for_a_socket(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 150)
    folder.mkdir()

    async def test(engine: LocalEngine) -> None:
        rung = asyncio.Event()
        engine.subscribe(lambda job_id: rung.set())
        handle = await engine.submit(_job("A"))
        await asyncio.wait_for(rung.wait(), 30 * TIME_SCALE)
        await _wait_end(engine, handle)

    _run(folder, test)


@pytest.mark.parametrize("text", ["", "{", "[1]", '["a", "b"]', "[[], []]", "null", "[1e999, 2]"])
def test_progress_that_makes_no_sense_is_none(tmp_path: Path, text: str) -> None:
    async def test(engine: LocalEngine) -> None:
        handle = await engine.submit(_job("A"))
        await _wait_end(engine, handle)
        Path(handle, "progress.json").write_text(text)
        status = (await engine.status([handle]))[handle]
        assert status.phase is Phase.ENDED and status.progress in (None, (float("inf"), 2.0))

    _run(tmp_path, test)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_warm_interpreter_that_is_gone_or_hangs_is_replaced(
    tmp_path: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    if number == signal.SIGSTOP:
        monkeypatch.setattr(warm, "ANSWER_LIMIT_S", 2 * TIME_SCALE)  # also for the second one, which must come up in it

    async def test(engine: LocalEngine) -> None:
        await engine.check()
        first = find_warm(os.getpid())
        os.kill(first, number)
        code = f"open({str(tmp_path / 'runs')!r}, 'a').write('x')"
        await _wait_end(engine, await engine.submit(_job("A", code)))
        assert (tmp_path / "runs").read_text() == "x"
        second = find_warm(os.getpid())
        assert second != first
        wait_dead(first)

    _run(tmp_path, test)


def test_an_engine_whose_warm_interpreter_hangs_can_be_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "END_LIMIT_S", 0.2)

    async def test(engine: LocalEngine) -> None:
        await engine.check()
        os.kill(find_warm(os.getpid()), signal.SIGSTOP)

    _run(tmp_path, test)
    assert list_warm(os.getpid()) == []


def test_a_job_that_finds_no_room_is_refused_for_good_and_leaves_nothing(tmp_path: Path) -> None:
    async def test(engine: LocalEngine) -> None:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
        try:
            with pytest.raises(CannotStart, match="the job could not be started: File too large"):
                await engine.submit(_job("A", "x" * 100))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert os.listdir(tmp_path) == ["doorbell"]

    _run(tmp_path, test)


def test_no_process_and_no_descriptor_is_left_of_an_engine(tmp_path: Path) -> None:
    def count() -> tuple[list[int], list[str]]:
        return list_children(os.getpid()), list_descriptors(os.getpid())

    async def test(engine: LocalEngine) -> None:
        for name, code in (("A", "pass"), ("B", "1/0"), ("C", "import os; os.abort()")):
            await _wait_end(engine, await engine.submit(_job(name, code)))
        with pytest.raises(CannotStart):
            await engine.submit(_job("x" * 300))

    before = count()
    _run(tmp_path, test)
    assert count() == before


def test_jobs_outlive_the_engine_and_the_next_one_finds_them(tmp_path: Path) -> None:
    code = f"import os, time\nwhile not os.path.exists({str(tmp_path / 'go')!r}): time.sleep(0.02)\nprint('the end')"

    async def first(engine: LocalEngine) -> None:
        handle = await engine.submit(_job("A", code))
        assert (await engine.status([handle]))[handle].phase is Phase.RUNNING

    async def second(engine: LocalEngine) -> None:
        handle = await engine.find("A")
        assert (await engine.status([handle]))[handle].phase is Phase.RUNNING
        (tmp_path / "go").touch()
        assert (await _wait_end(engine, handle)).outcome is not None
        assert await engine.output(handle, "stdout", 0, 99) == Piece(0, b"the end\n")

    _run(tmp_path, first)
    _run(tmp_path, second)
