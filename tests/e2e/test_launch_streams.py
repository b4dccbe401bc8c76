"""The launcher's own streams and files: closed, full, gone or missing."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from launch_support import run_shell
from support import Server, World, open_world

BUG = "a bug in headless"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server on a unix socket: its owner may do everything."""
    with open_world() as world:
        yield world.serve(tls=False)


def run(server: Server, script: str) -> tuple[str, str]:
    """Run lines of a shell, with ``$L`` for a launch that waits; return the shell's two outputs."""
    done = run_shell(server.world, script.replace("$L", f'"$H" -s {server.unix} -t 30'))
    return done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_launch_needs_none_of_its_streams(server: Server, tmp_path: Path, closed: str) -> None:
    output = tmp_path / "output"
    job = f"-vvv -o {output} -c 'import sys; print(1); sys.exit(7)'"
    out, err = run(server, f"$L {job} {closed}\necho $?")
    assert out == "4\n"
    assert BUG not in err
    assert output.read_text() == "1\n"


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_the_embedded_server_starts_from_a_launch_without_streams(world: World, closed: str) -> None:
    # Files that are opened take the place of closed streams: no pipe to the server may end up as one of them.
    done = run_shell(world, f'"$H" -t 30 -c pass {closed}\necho $?')
    assert done.stdout == b"0\n"


def test_output_to_a_closed_standard_output_is_refused_before_the_start(server: Server) -> None:
    for option in ("--output", "--result"):
        out, err = run(server, f"$L {option} - -c pass >&-\necho $?")
        assert (out, err) == ("2\n", f"headless: {option} -: standard output is closed: give a file\n")


def test_a_reader_that_goes_away_ends_the_launch_by_sigpipe(server: Server) -> None:
    # Far more than a pipe holds, so that the launcher does write to it after head has gone.
    code = "for i in range(100000): print('x' * 50)"
    script = f'{{ $L -o - -c "{code}"; echo $? >&2; }} | head -1'
    assert run(server, script) == ("x" * 50 + "\n", "141\n")


def test_a_full_standard_output_is_told_with_what_became_of_the_job(server: Server) -> None:
    out, err = run(server, "$L -o - -c 'print(1)' >/dev/full\necho $?")
    assert out == "2\n"
    assert re.fullmatch(
        r"headless: job \w{26}: standard output could not be written: No space left on device\n", err
    ), err


def test_a_full_disk_is_told_with_what_became_of_the_job(server: Server) -> None:
    out, err = run(server, "$L -o /dev/full -c 'print(1)'\necho $?")
    assert out == "2\n"
    assert re.fullmatch(r"headless: job \w{26}: /dev/full could not be written: No space left on device\n", err), err


def test_a_full_disk_does_not_hide_that_the_job_failed(server: Server) -> None:
    out, err = run(server, "$L -o /dev/full -c 'print(1); 1/0'\necho $?")
    assert out == "4\n"
    assert "failed: ZeroDivisionError" in err
    assert "/dev/full could not be written" in err


def test_a_full_standard_error_changes_no_exit_code(server: Server) -> None:
    assert run(server, "$L -c 1/0 2>/dev/full\necho $?") == ("4\n", "")
    assert run(server, "$L -vvv -c pass 2>/dev/full\necho $?") == ("0\n", "")


@pytest.mark.parametrize("words", ["--help", "--version", "--check -c pass", "completion bash"])
def test_what_prints_survives_a_closed_or_full_standard_output(server: Server, words: str) -> None:
    command = f'"$H" {words}' if words == "completion bash" else f"$L {words}"
    assert run(server, f"{command} >&-\necho $?") == ("0\n", "")
    out, err = run(server, f"{command} >/dev/full\necho $?")
    assert (out, err) == ("2\n", "headless: the output could not be written: No space left on device\n")


def test_a_file_that_cannot_be_written_is_told_before_the_start(server: Server, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere/at-all")
    for path, reason in {
        "missing/output": "its folder is missing or not writable",
        ".": "Is a directory",
        "link": "No such file or directory",
    }.items():
        before = server.log.count("action=accept")
        out, err = run(server, f"$L -o {tmp_path}/{path} -c pass\necho $?")
        assert (out, err) == ("2\n", f"headless: --output {tmp_path}/{path} cannot be written: {reason}\n")
        assert server.log.count("action=accept") == before


def test_an_old_output_stays_until_a_job_was_accepted(server: Server, tmp_path: Path) -> None:
    output = tmp_path / "output"
    output.write_text("of last night\n")
    for failing in ("-m no-such", "-c pass -m both", "-t never -c pass", "-s unix:/no/such -c pass --connect-for 0.5"):
        out, _ = run(server, f"$L -o {output} {failing}\necho $?")
        assert out in ("1\n", "2\n")
        assert output.read_text() == "of last night\n"
    assert run(server, f"$L -o {output} -c pass\necho $?") == ("0\n", "")
    assert output.read_text() == ""  # a job without output leaves no output of another one


def test_a_relative_output_is_written_where_the_launch_was_started(server: Server, tmp_path: Path) -> None:
    assert run(server, f"cd {tmp_path} && $L -o here -c 'print(1)'") == ("", "")
    assert (tmp_path / "here").read_text() == "1\n"


def test_a_result_that_a_job_does_not_hand_over_is_told(server: Server, tmp_path: Path) -> None:
    out, err = run(server, f"$L --result {tmp_path}/result -c pass\necho $?")
    assert out == "2\n"
    assert re.fullmatch(r"headless: job \w{26} ended well and handed over no result\n", err)
