"""The ready examples in contrib/: valid for their schedulers, and what the generator would print."""

import re
import subprocess
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest
from click.testing import CliRunner

from conftest import SYSTEM_PATH
from headless.cli.schedule import schedule
from headless.schedule.systemd import HARDENING
from schedule_oracle import check_task
from support import TIME_SCALE

CONTRIB = Path(__file__).resolve().parents[2] / "contrib"
UNITS = sorted(path for path in (CONTRIB / "systemd").iterdir() if path.suffix != ".md")
ENVIRONMENT = {"PATH": SYSTEM_PATH, "LANG": "C"}
LAUNCH = ("-s", "batch.example.com:7443", "-u", "batch", "-p", "/etc/headless/batch.secret")


def printed(*words: str) -> str:
    """What a command of ``headless schedule`` prints."""
    result = CliRunner().invoke(schedule, list(words), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def directives(text: str) -> list[str]:
    """The lines that are neither empty nor comments."""
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def analyze(*words: str) -> tuple[int, str]:
    """Run systemd-analyze; return its status and all it says."""
    result = subprocess.run(
        ["systemd-analyze", *words],
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60 * TIME_SCALE,
        check=False,
    )
    return result.returncode, result.stdout


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with the units as they would be installed, with a program that exists and an instance."""
    for unit in UNITS:
        text = unit.read_text().replace("ExecStart=/usr/bin/headless ", "ExecStart=/bin/true ")
        (tmp_path / unit.name.replace("@.", "@tidy.")).write_text(text)
    return tmp_path


@pytest.mark.peer("crontab")
def test_crontab_takes_the_cron_file(tmp_path: Path) -> None:
    file = tmp_path / "crontab"
    # crontab checks a user's own file, which has no user column.
    file.write_text(re.sub(r"(?m)^((?:\S+ ){5})batch ", r"\1", (CONTRIB / "cron/headless").read_text()))
    assert "batch /usr" not in file.read_text()
    result = subprocess.run(
        ["crontab", "-n", file], env=ENVIRONMENT, capture_output=True, text=True, timeout=60 * TIME_SCALE, check=False
    )
    assert result.returncode == 0, result.stderr


def test_the_cron_file_holds_what_the_generator_prints() -> None:
    common = ("--user", "batch", "--program", "/usr/bin/headless", "--", *LAUNCH)
    waiting = printed(
        *("cron", "--at", "17 3 * * *", *common, "-m", "tidy", "-t", "3600", "--", "/srv/batch/work", "--days", "30")
    )
    not_waiting = printed(
        *("cron", "--at", "43 6 * * 1-5", *common, "-m", "certificate-expiry"),
        *("--", "/etc/ssl/certs", "mail.example.com:465"),
    )
    text = (CONTRIB / "cron/headless").read_text()
    assert directives(text) == [*directives(waiting), directives(not_waiting)[-1]]
    assert text.endswith("\n")


@pytest.mark.peer("systemd-analyze")
def test_systemd_finds_nothing_to_say_about_the_units(installed: Path) -> None:
    assert len(UNITS) == 4
    assert analyze("verify", "--man=no", *(str(path) for path in sorted(installed.iterdir()))) == (0, "")


@pytest.mark.peer("systemd-analyze")
@pytest.mark.parametrize("service", ["headless-job@tidy.service", "headless-server.service"])
def test_a_service_is_exposed_at_2_0_or_better(service: str, installed: Path) -> None:
    status, text = analyze("security", "--offline=true", "--threshold=20", "--no-pager", str(installed / service))
    assert status == 0, text


@pytest.mark.parametrize("unit", ["headless-job@.service", "headless-server.service"])
def test_the_sandbox_is_the_generators(unit: str) -> None:
    lines = directives((CONTRIB / "systemd" / unit).read_text())
    sandbox = directives(HARDENING)
    start = lines.index(sandbox[0])
    assert lines[start : start + len(sandbox)] == sandbox


def test_the_job_timer_is_the_generators() -> None:
    units = printed(
        *("systemd", "--at", "17 3 * * *", "--name", "x", "--program", "/bin/p", "--", *LAUNCH, "-m", "tidy")
    )
    expected = directives(units.partition("# /etc/systemd/system/x.timer\n")[2])
    written = directives((CONTRIB / "systemd/headless-job@.timer").read_text())
    assert [line.replace("the module %i", "tidy") for line in written] == expected


def test_the_windows_task_is_the_generators_and_keeps_the_schemas_rules(tmp_path: Path) -> None:
    file = tmp_path / "task.xml"
    printed(
        *("windows", "--at", "17 3 * * *", "--name", "headless-tidy", "--user", "CORP\\batch"),
        *("--program", r"C:\Program Files\headless\headless.exe", "--output", str(file), "--"),
        *("--service", "batch.example.com:7443", "--user", "batch"),
        *("--secret", r"C:\ProgramData\headless\batch.secret", "--module", "tidy", "--timeout", "3600"),
        *("--", "/srv/batch/work", "--days", "30"),
    )
    data = (CONTRIB / "windows/headless-job.xml").read_bytes()
    assert data == file.read_bytes()
    check_task(fromstring(data))
