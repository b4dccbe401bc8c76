"""What ``headless schedule`` prints, held against the real cron, flock and systemd."""

import os
import random
import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from conftest import SYSTEM_PATH
from headless.cli.schedule import schedule
from headless.schedule.calendar import build_calendars
from headless.schedule.cron import COMMAND_LIMIT, build_cron_file
from headless.schedule.expression import parse_expression
from headless.schedule.systemd import Credential, build_service, build_timer
from schedule_oracle import is_due
from support import TIME_SCALE

BASE = datetime(2026, 2, 27, 22, 58, 30, tzinfo=UTC)
COUNT = 5
ENVIRONMENT = {"PATH": SYSTEM_PATH, "LANG": "C", "TZ": "UTC", "HOME": os.environ.get("HOME", "/")}
NASTY = ("", "a b", "+%F %d", "$HOME ${X}", "it's", 'q"q', r"C:\new\x", ";", "ü€", "*", "@x", "#c", "'", '"', "\\")
FIELDS = ((0, 59), (0, 23), (1, 28), (1, 12), (0, 7))


def run(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a peer as in a bare environment, with all it says."""
    return subprocess.run(
        words,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60 * TIME_SCALE,
        check=False,
    )


def printed(*words: str) -> str:
    """What a command of ``headless schedule`` prints."""
    result = CliRunner().invoke(schedule, list(words), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def random_field(dice: random.Random, low: int, high: int) -> str:
    """Make up one field: a star, a step, or a list of numbers and ranges."""
    kind = dice.randrange(5)
    if kind == 0:
        return f"*/{dice.randint(1, min(high - low, 6))}"
    if kind < 3:
        return "*"
    parts = []
    for _ in range(dice.randint(1, 3)):
        first = dice.randint(low, high)
        last = dice.randint(first, high)
        parts.append(dice.choice([str(first), f"{first}-{last}", f"{first}-{last}/{dice.randint(1, 6)}"]))
    return ",".join(parts)


def random_expressions(count: int) -> list[str]:
    """Make up expressions, the same in every run."""
    dice = random.Random(20260227)
    return [" ".join(random_field(dice, low, high) for low, high in FIELDS) for _ in range(count)]


EXPRESSIONS = [
    *("17 3 * * *", "*/15 * * * *", "* * * * *", "0 0 1 1 *", "0 0 29 2 *", "59 23 31 * *", "0 12 * * 7"),
    *("0 0 13 * 5", "30 4 1,15 * mon-fri", "0 0 */2 * 1", "5 5 13 * */2", "0 0 30 2 5", "0 0 1-31 * 5"),
    *("0 8-18/3 * jan-mar,dec sat,sun", "10-50/20 */7 * * 0-7", "3,4,5,9 1,2 28-31 2 *"),
    *random_expressions(150),
]


def next_starts(text: str) -> list[datetime]:
    """The next starts after the base, found by asking cron's rule of day after day."""
    minutes = [time(hour, minute) for hour in range(24) for minute in range(60)]
    every_day = " ".join([*text.split()[:2], "* * *"])
    times = [moment for moment in minutes if is_due(every_day, datetime.combine(BASE, moment))]
    found: list[datetime] = []
    day = BASE.date()
    while len(found) < COUNT:
        if is_due(text, datetime.combine(day, times[0])):
            moments = (datetime.combine(day, moment, tzinfo=UTC) for moment in times)
            found += [moment for moment in moments if moment > BASE]
        day += timedelta(days=1)
    return found[:COUNT]


def next_elapses(text: str) -> list[datetime]:
    """The next elapses of the timer after the base, by systemd."""
    result = run(
        [
            "systemd-analyze",
            "calendar",
            f"--iterations={COUNT}",
            f"--base-time={BASE:%Y-%m-%d %H:%M:%S} UTC",
            *build_calendars(parse_expression(text)),
        ]
    )
    assert result.returncode == 0, result.stdout
    found = re.findall(r"(?:Next elapse|Iter(?:ation|\.) #\d+): \w+ ([-0-9]+ [:0-9]+) UTC", result.stdout)
    return sorted({datetime.fromisoformat(f"{moment}+00:00") for moment in found})[:COUNT]


@pytest.mark.peer("systemd-analyze")
@pytest.mark.parametrize("text", EXPRESSIONS)
def test_a_timer_elapses_when_cron_would_start(text: str) -> None:
    assert next_elapses(text) == next_starts(text)


@pytest.mark.peer("systemd-analyze")
@pytest.mark.parametrize(
    "options",
    [
        ["-s", "h:1", "-p", "/etc/a b/50%.secret", "-m", "tidy", "-t", "60", "--", *NASTY],
        ["-s", "unix:/run/h.sock", "-m", "tidy", "--result", "/srv/a b/r.json"],
        ["-m", "tidy", "-t", "-1"],
    ],
)
@pytest.mark.parametrize("user", ["batch", "root"])
def test_the_units_are_valid_and_hardened(options: list[str], user: str, tmp_path: Path) -> None:
    printed(
        *("systemd", "--at", "0 0 13 * 5", "--name", "nightly", "--user", user, "--program", "/bin/true"),
        *("--working-folder", "/srv/50% off", "--output", str(tmp_path), "--", *options),
    )
    units = [str(tmp_path / "nightly.service"), str(tmp_path / "nightly.timer")]
    result = run(["systemd-analyze", "verify", "--man=no", *units])
    assert (result.returncode, result.stdout) == (0, "")
    result = run(["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", units[0]])
    assert result.returncode == 0, result.stdout


@pytest.mark.peer("systemd-analyze")
def test_verify_would_have_told_of_a_bad_escape(tmp_path: Path) -> None:
    unit = tmp_path / "bad.service"
    text = build_service(["/bin/true", "a b"], description="x", user="batch", limit_s=None)
    unit.write_text(text.replace('"a b"', r'"a \q %J b'))
    result = run(["systemd-analyze", "verify", "--man=no", str(unit)])
    assert result.stdout != ""


@pytest.mark.peer("systemd-analyze")
def test_a_timer_of_two_rules_is_one_valid_timer(tmp_path: Path) -> None:
    service = build_service(["/bin/true", Credential("secret", "/etc/x")], description="x", user="batch", limit_s=1)
    (tmp_path / "two.service").write_text(service)
    (tmp_path / "two.timer").write_text(build_timer(parse_expression("5 */2 1-7 * 1"), description="x"))
    result = run(["systemd-analyze", "verify", "--man=no", str(tmp_path / "two.timer")])
    assert (result.returncode, result.stdout) == (0, "")


def check_crontab(text: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Have crontab check a file of /etc/cron.d: without its user column, which a user's own crontab has not."""
    file = tmp_path / "crontab"
    file.write_text(re.sub(r"(?m)^((?:[-*/,\w]+ ){5})batch ", r"\1", text))
    return run(["crontab", "-n", str(file)])


@pytest.mark.peer("crontab")
def test_crontab_takes_what_is_printed(tmp_path: Path) -> None:
    text = printed(
        *("cron", "--at", "17 3 * * mon-fri", "--user", "batch", "--program", "/usr/bin/headless"),
        *("--working-folder", "/srv/a b", "--", "-m", "tidy", "-t", "-1", "--", *NASTY),
    )
    assert "* * mon-fri batch cd " in text
    result = check_crontab(text, tmp_path)
    assert result.returncode == 0, result.stdout


@pytest.mark.peer("crontab")
def test_crontab_takes_every_expression_that_is_read(tmp_path: Path) -> None:
    lines = [f"{parse_expression(text).text} batch /bin/true\n" for text in EXPRESSIONS]
    result = check_crontab("".join(lines), tmp_path)
    assert result.returncode == 0, result.stdout


@pytest.mark.peer("crontab")
def test_the_length_limit_is_that_of_cron(tmp_path: Path) -> None:
    at = parse_expression("17 3 * * *")
    longest = build_cron_file(at, ["/p", "a" * (COMMAND_LIMIT - 3)], name="x", user="batch")
    assert check_crontab(longest, tmp_path).returncode == 0
    result = check_crontab(longest.replace("/p ", "/p a"), tmp_path)
    assert result.returncode != 0
    assert "command too long" in result.stdout


@pytest.mark.peer("flock")
def test_a_second_start_is_skipped_with_code_6_while_the_first_waits(tmp_path: Path) -> None:
    text = build_cron_file(
        parse_expression("* * * * *"),
        ["/bin/sh", "-c", "echo started; read line"],
        name="nightly",
        user="batch",
        lock="",
        working_folder="/",
    )
    command = ["/bin/sh", "-c", text.splitlines()[-1].partition(" batch ")[2]]
    environment = ENVIRONMENT | {"HOME": str(tmp_path)}
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "started\n"
        second = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60 * TIME_SCALE,
            check=False,
        )
        assert (second.returncode, second.stdout, second.stderr) == (6, b"", b"")
        first.communicate("\n", timeout=60 * TIME_SCALE)
    assert first.returncode == 0
    third = subprocess.run(
        command, env=environment, input=b"\n", stdout=subprocess.DEVNULL, timeout=60 * TIME_SCALE, check=False
    )
    assert third.returncode == 0
    assert (tmp_path / ".nightly.lock").exists()
