"""Running a hook's program: with a limit on its time and on what it prints, and nothing of it left behind."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence

from headless.server.hooks.undelivered import Undelivered

if sys.platform == "win32":
    raise ImportError("the server runs on POSIX systems only: give --service HOST:PORT of one")

__all__ = ["run_program"]

TERM_S = 2.0  # between TERM and KILL
DRAIN_S = 1.0  # for which output is read after the program's end: what it left behind may hold the pipe
KEPT = 4096  # bytes of output, for the last line
LINE_LIMIT = 200  # characters


async def run_program(arguments: Sequence[str], stdin: bytes, environment: Mapping[str, str], timeout_s: float) -> None:
    """Run a program to its end, in a session of its own, in the folder ``/``.

    Its output is read and dropped, but for the last line, which an error shows. Whatever of its process group is there
    after its end, its time limit or a cancel of this call is killed.

    Args:
        arguments: the program's whole path, and what it gets.
        stdin: what it may read.
        environment: all of it.
        timeout_s: its limit, in seconds.

    Raises:
        Undelivered: it could not be started, was not done in time, or ended with another status than 0.
    """
    reading, writing = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *arguments, stdin=asyncio.subprocess.PIPE, stdout=writing, stderr=writing, env=dict(environment), cwd="/",
            start_new_session=True,
        )  # fmt: skip
    except OSError as exc:
        os.close(reading)
        is_final = isinstance(exc, FileNotFoundError | PermissionError | NotADirectoryError)
        raise Undelivered(f"cannot be started: {exc.strerror}", is_final=is_final) from exc
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    tail = bytearray()
    drain = asyncio.get_running_loop().create_task(_drain(reading, tail))
    try:
        async with asyncio.timeout(timeout_s):
            await _feed(process, stdin)
            await process.wait()
    except TimeoutError as exc:
        await _terminate(process)
        raise Undelivered(f"was still running after {timeout_s:g} s and was ended{_show_last_line(tail)}") from exc
    finally:
        _kill(process, signal.SIGKILL)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), TERM_S)
        await asyncio.wait([drain], timeout=DRAIN_S)
        drain.cancel()
        await asyncio.gather(drain, return_exceptions=True)
    if process.returncode:
        raise Undelivered(f"{_describe(process.returncode)}{_show_last_line(tail)}")


async def _feed(process: asyncio.subprocess.Process, data: bytes) -> None:
    if process.stdin is None:
        raise AssertionError("no pipe to the program")
    # It need not care to read; uvloop raises RuntimeError where it has seen the end before we write.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError, RuntimeError):
        process.stdin.write(data)
        await process.stdin.drain()
    process.stdin.close()


async def _drain(descriptor: int, tail: bytearray) -> None:
    """Keep the end of what comes, until nobody can write any more, or a cancel."""
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", 0)
    )
    try:
        while piece := await reader.read(65536):
            tail += piece
            del tail[:-KEPT]
    finally:
        transport.close()


async def _terminate(process: asyncio.subprocess.Process) -> None:
    _kill(process, signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), TERM_S)


def _kill(process: asyncio.subprocess.Process, number: int) -> None:
    """Signal the whole group: it has the number of its first process, and keeps it as long as anybody is in it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _describe(returncode: int) -> str:
    return f"was killed by signal {-returncode}" if returncode < 0 else f"exit status {returncode}"


def _show_last_line(tail: bytearray) -> str:
    lines = [line for line in tail.decode(errors="replace").splitlines() if line.strip()]
    if not lines:
        return ""
    shown = "".join(item if item.isprintable() else "\ufffd" for item in lines[-1].strip()[:LINE_LIMIT])
    return f": {shown}"
