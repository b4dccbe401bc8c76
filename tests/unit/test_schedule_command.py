"""``headless schedule`` as a command: defaults, refusals, and what is written where."""

import getpass
import stat
import sys
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest
from click.testing import CliRunner, Result

from headless.cli.schedule import schedule
from headless.errors import ParameterError
from schedule_oracle import NAMESPACE, check_task

LAUNCH = ("--", "-s", "h:1", "-p", "/etc/x.secret", "-m", "tidy", "-t", "60", "--", "/srv/50%")
PROGRAM = ("--program", "/usr/bin/headless")


def run(*words: str) -> Result:
    """Run the command; an error of headless is raised, as it would be in front of the boundary."""
    result = CliRunner().invoke(schedule, list(words))
    if isinstance(result.exception, ParameterError):
        raise result.exception
    return result


def test_cron_prints_one_line_with_a_lock_for_a_launch_that_waits() -> None:
    result = run("cron", "--at", "@daily", "--user", "batch", *PROGRAM, *LAUNCH)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == (
        '0 0 * * * batch /usr/bin/flock -n -o -E 6 "$HOME"/.headless-tidy.lock '
        r"/usr/bin/headless -s h:1 -p /etc/x.secret -m tidy -t 60 -- /srv/50\%"
    )


@pytest.mark.parametrize(
    ("given", "command"),
    [
        (["--overlap", "--", "-m", "tidy", "-t-1"], "/usr/bin/headless -m tidy -t-1"),
        (["--lock", "/l", "--", "-m", "x", "-t1"], "/usr/bin/flock -n -o -E 6 /l /usr/bin/headless -m x -t1"),
        (["--lock", "/l", "--", "-m", "x"], "/usr/bin/flock -n -o -E 6 /l /usr/bin/headless -m x"),
        (["--working-folder", "/srv", "--", "-m", "tidy"], "cd /srv && /usr/bin/headless -m tidy"),
    ],
)
def test_lock_and_folder_of_a_cron_line_can_be_chosen(given: list[str], command: str) -> None:
    result = run("cron", "--at", "17 3 * * *", *PROGRAM, *given)
    assert result.stdout.splitlines()[-1] == f"17 3 * * * {getpass.getuser()} {command}"


def test_systemd_prints_both_units_under_their_names() -> None:
    text = run("systemd", "--at", "17 3 * * *", "--name", "nightly", *PROGRAM, *LAUNCH).stdout
    service, timer = text.split("# /etc/systemd/system/nightly.timer\n")
    assert service.startswith("# /etc/systemd/system/nightly.service\n[Unit]\n")
    assert "OnCalendar=*-*-* 03:17:00\n" in timer
    for line in (
        "ExecStart=/usr/bin/headless --service h:1 --secret ${CREDENTIALS_DIRECTORY}/secret --module tidy --timeout 60"
        ' -- "/srv/50%%"',
        "LoadCredential=secret:/etc/x.secret",
        "TimeoutStartSec=180",
        "After=network-online.target",
        f"User={getpass.getuser()}",
    ):
        assert line in service.splitlines()
    assert "StateDirectory=" not in service


def test_a_launch_on_the_embedded_server_gets_folders_of_its_own() -> None:
    text = run("systemd", "--at", "17 3 * * *", *PROGRAM, "--", "-m", "tidy", "-t", "-1").stdout
    assert "StateDirectory=headless-tidy\n" in text
    assert "TimeoutStartSec=infinity\n" in text
    assert "network-online" not in text


def test_the_folder_of_a_result_file_can_be_written_to() -> None:
    text = run("systemd", "--at", "@daily", *PROGRAM, "--", "-m", "x", "-t1", "--result", "/srv/out/r.json").stdout
    assert "ReadWritePaths=/srv/out\n" in text


def test_windows_prints_a_task_with_the_folder_of_its_program() -> None:
    text = run("windows", "--at", "17 3 * * *", "--program", r"D:\Tools\headless.exe", *LAUNCH).stdout
    task = fromstring(text)
    check_task(task)
    assert task.findtext(f".//{NAMESPACE}WorkingDirectory") == r"D:\Tools"
    assert task.findtext(f".//{NAMESPACE}Settings/{NAMESPACE}ExecutionTimeLimit") == "PT180S"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["systemd", "--at", "@daily", *PROGRAM, "--", "-m", "tidy"], "give --service or --timeout"),
        (["windows", "--at", "@daily", "--", "-m", "tidy", "-t1"], "on Windows there is no embedded server"),
        (["cron", "--at", "@never", *PROGRAM, *LAUNCH], "@never"),
        (["cron", "--at", "@daily", *PROGRAM], "exactly one of -m MODULE"),
        (["cron", "--at", "@daily", "--name", "a.b", *PROGRAM, *LAUNCH], "dot"),
        (["cron", "--at", "@daily", "--lock", "/l", "--overlap", *PROGRAM, *LAUNCH], "--lock or --overlap"),
        (["cron", "--at", "@daily", "--program", "headless", *LAUNCH], "no absolute path"),
        (["systemd", "--at", "@daily", *PROGRAM, "--", "-m", "x", "-t1", "-p", "s"], "--secret s: give"),
        (["systemd", "--at", "@daily", *PROGRAM, "--", "-m", "x", "-t1", "--result", "r"], "--result r: give"),
    ],
)
def test_what_cannot_be_scheduled_is_refused_with_exit_code_2(words: list[str], message: str) -> None:
    with pytest.raises(ParameterError, match=message) as caught:
        run(*words)
    assert caught.value.exit_code == 2


def test_the_program_is_the_running_one_else_the_one_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("cron", "--at", "@daily", "--", "-m", "tidy")
    for folder in ("running", "path"):
        program = tmp_path / folder / "headless"
        program.parent.mkdir()
        program.touch(mode=0o755)
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "running" / "headless")])
    assert str(tmp_path / "running" / "headless") in run(*words).stdout
    monkeypatch.setattr(sys, "argv", ["/usr/lib/python3/pytest"])
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    assert str(tmp_path / "path" / "headless") in run(*words).stdout
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ParameterError, match="--program"):
        run(*words)


def test_output_writes_both_units_and_overwrites_only_with_force(tmp_path: Path) -> None:
    words = ("systemd", "--at", "@daily", "--output", str(tmp_path), *PROGRAM)
    assert run(*words, *LAUNCH).stdout == ""
    timer = tmp_path / "headless-tidy.timer"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["headless-tidy.service", timer.name]
    assert stat.S_IMODE(timer.stat().st_mode) & 0o111 == 0
    before = timer.read_bytes()
    (tmp_path / "headless-tidy.service").unlink()
    with pytest.raises(ParameterError, match=r"headless-tidy\.timer exists"):
        run(*words, *LAUNCH)
    assert [path.name for path in tmp_path.iterdir()] == [timer.name]
    run(*words, "--random-delay", "7", "--force", *LAUNCH)
    assert timer.read_bytes() != before


def test_output_of_a_task_is_utf_16_and_a_missing_folder_is_told(tmp_path: Path) -> None:
    file = tmp_path / "task.xml"
    run("windows", "--at", "@daily", "--output", str(file), *LAUNCH)
    assert file.read_bytes().startswith(b"\xff\xfe")
    check_task(fromstring(file.read_bytes()))
    with pytest.raises(ParameterError, match=r"cannot write .*: No such file"):
        run("cron", "--at", "@daily", "--output", str(tmp_path / "no" / "file"), *PROGRAM, *LAUNCH)


@pytest.mark.parametrize("command", [[], ["cron"], ["systemd"], ["windows"]])
def test_each_help_ends_with_its_exit_status(command: list[str]) -> None:
    result = run(*command, "-h")
    assert result.exit_code == 0
    assert "Exit status: 0" in result.stdout.rpartition("\n\n")[2]
