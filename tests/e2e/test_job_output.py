"""A job's output: every byte, in order, while it runs, and bounded where the server says so."""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from job_support import assert_accounts_for
from support import TIME_SCALE, Server, World, open_world, wait_for

MIB = 1 << 20
MAX_OUTPUT = 1000


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server that keeps all output."""
    with open_world() as world:
        yield world.serve(tls=False)


@pytest.fixture(scope="module")
def strict() -> Iterator[Server]:
    """A server that keeps little."""
    with open_world() as world:
        yield world.serve("--max-output", str(MAX_OUTPUT), tls=False)


def _options(server: Server, code: str, output: str = "-") -> list[str]:
    return ["-s", server.unix, "-t", "-1", "-o", output, "-c", code]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("pass", b""),
        ("import os; os.write(1, b'\\0\\xff\\r\\n' * 9)", b"\0\xff\r\n" * 9),
        ("print('no line end', end='')", b"no line end"),
        ("for n in range(2000): print(n)", b"".join(b"%d\n" % n for n in range(2000))),
        ("import os; print(1); os.system('echo 2'); print(3)", b"1\n2\n3\n"),
        ("import sys; print('out'); print('err', file=sys.stderr)", b"out\n"),
    ],
    ids=["none", "binary", "no line end", "many lines", "a child between", "stderr is apart"],
)
def test_standard_output_comes_byte_for_byte_and_in_order(server: Server, code: str, expected: bytes) -> None:
    done = server.world.run(*_options(server, code))
    assert (done.returncode, done.stdout, done.stderr) == (0, expected, b"")


def test_a_file_is_written_even_if_there_was_no_output(server: Server) -> None:
    file = server.world.home / "output"
    file.write_text("of yesterday")
    done = server.world.run(*_options(server, "pass", str(file)))
    assert (done.returncode, file.read_bytes()) == (0, b"")


def test_one_line_of_100_mb_arrives_whole_and_the_servers_memory_stays_small(server: Server) -> None:
    code = "import sys; piece = bytes(range(32, 127)) * 10000\n"
    code += "for _ in range(106): sys.stdout.buffer.write(piece)"
    file = server.world.home / "line"
    done = server.world.run(*_options(server, code, str(file)), limit_s=60)
    assert (done.returncode, done.stderr) == (0, b"")
    expected = hashlib.sha256()
    for _ in range(106):
        expected.update(bytes(range(32, 127)) * 10000)
    with file.open("rb") as stream:
        assert hashlib.file_digest(stream, "sha256").digest() == expected.digest()
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    peak = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert peak is not None and int(peak[1]) < 150 * 1024


def test_both_streams_at_once_block_nobody(server: Server) -> None:
    code = """
import os, threading
def write(descriptor, byte):
    for _ in range(320):
        os.write(descriptor, byte * 65536)
threads = [threading.Thread(target=write, args=pair) for pair in ((1, b"a"), (2, b"b"))]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
    file = server.world.home / "both"
    done = server.world.run(*_options(server, code, str(file)), limit_s=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert file.read_bytes() == b"a" * (20 * MIB)


def test_output_is_passed_on_while_the_job_runs(server: Server) -> None:
    go = server.world.home / "go"
    code = f"""
import os, time
print("first line")
while not os.path.exists({str(go)!r}):
    time.sleep(0.02)
print("second line")
"""
    launcher = server.world.start(*_options(server, code))
    assert launcher.stdout is not None
    first = os.read(launcher.stdout.fileno(), 100)
    is_waiting = launcher.poll() is None
    go.touch()
    assert launcher.communicate(timeout=15 * TIME_SCALE) == (b"second line\n", b"")
    assert (first, is_waiting, launcher.returncode) == (b"first line\n", True, 0)


def test_the_last_lines_of_a_failed_job_are_shown_fit_for_a_terminal(server: Server) -> None:
    code = """
import sys
for n in range(100): print("line", n)
print("x" * 100000 + "end", file=sys.stderr)
sys.stderr.buffer.write(b"\\x1b[2Jclear \\xff\\n")
raise SystemExit(1)
"""
    done = server.world.run("-s", server.unix, "-t", "-1", "-c", code)
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 4
    assert lines[1:] == [
        "--- the end of its stdout:",
        *(f"line {n}" for n in range(80, 100)),
        "--- the end of its stderr:",
        "x" * (4096 - len("end\n" + "\x1b[2Jclear \xff\n")) + "end",
        "\ufffd[2Jclear \ufffd",
    ]


@pytest.mark.parametrize("size", [MAX_OUTPUT - 1, MAX_OUTPUT])
def test_what_fits_the_servers_limit_is_not_cut(strict: Server, size: int) -> None:
    done = strict.world.run(*_options(strict, f"print('x' * {size}, end='')"))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"x" * size, b"")


@pytest.mark.parametrize("size", [MAX_OUTPUT + 1, 5 * MIB])
@pytest.mark.parametrize(("end", "status"), [("pass", 2), ("raise SystemExit(9)", 4)])
def test_what_is_beyond_the_servers_limit_is_told_and_the_job_goes_on(
    strict: Server, size: int, end: str, status: int
) -> None:
    done = strict.world.run(*_options(strict, f"print('x' * {size}, end='')\n{end}"))
    cut = assert_accounts_for(done.stdout, size, done.stderr)
    # Who reads as fast as the job writes gets all of it.
    assert done.returncode == (status if cut or status == 4 else 0)
    quiet = strict.world.run("-s", strict.unix, "-t", "-1", "-c", f"print('x' * {size})")
    assert (quiet.returncode, quiet.stderr) == (0, b"")  # nobody wanted it


def test_head_and_tail_are_kept_and_the_middle_is_told_to_be_cut(strict: Server) -> None:
    size = 5 * MIB
    code = f"import sys; sys.stdout.write('head' + 'x' * {size - 8} + 'tail'); print('z', file=sys.stderr)"
    assert strict.world.run("-s", strict.unix, "-t", "-1", "--name", "long", "-c", code).returncode == 0
    listed = strict.world.run("jobs", "list", "-s", strict.unix, "--name", "long", "--json")
    job_id = json.loads(listed.stdout)[0]["job_id"]
    logs = strict.world.run("jobs", "logs", "-s", strict.unix, job_id)
    assert logs.returncode == 0
    cut = assert_accounts_for(logs.stdout, size, b"")
    assert logs.stdout.startswith(b"headx") and logs.stdout.endswith(b"xtail")
    assert size - MAX_OUTPUT <= cut <= size - MAX_OUTPUT // 2
    files = [entry for entry in (strict.state / "jobs" / job_id).iterdir() if entry.name.startswith("stdout")]
    assert sum(entry.stat().st_size for entry in files) <= MAX_OUTPUT


def test_a_full_disk_of_the_server_costs_the_output_not_the_job(world: World) -> None:
    """The limit of a file's size stands for the disk: writing fails in the same place, with another text."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        server = world.serve(tls=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    file = world.home / "output"
    done = world.run(*_options(server, "print('x' * 300000); open('done', 'w')", str(file)))
    assert done.returncode == 2
    assert assert_accounts_for(file.read_bytes(), 300_001, done.stderr) > 0


def test_nothing_of_it_is_lost_when_the_launcher_is_slow(server: Server) -> None:
    before = server.log.count("state=ended")
    launcher = server.world.start(*_options(server, "for n in range(300000): print(n)"))
    wait_for(lambda: server.log.count("state=ended") > before, "the job's end")
    data = launcher.communicate(timeout=30 * TIME_SCALE)[0]
    assert data == b"".join(b"%d\n" % n for n in range(300000))
