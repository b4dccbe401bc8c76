"""``headless inventory report --cron`` and ``--systemd``: files that the real programs take."""

import getpass
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from headless.errors import ParameterError
from headless.inventory.slot import build_slot
from inventory_collector import run_collector
from inventory_roots import make_debian
from support import HEADLESS, World

REPORT = ("inventory", "report", "--site", "MY-SITE", "--host", "node1.example.org")


def test_a_slot_is_a_hosts_own_and_always_the_same() -> None:
    assert build_slot("S", "a") == build_slot("S", "a") != build_slot("S", "b")
    assert re.fullmatch(r"\d+ \d+ \* \* \*", build_slot("S", "a"))
    hours = Counter(build_slot("S", f"node{number}").split()[1] for number in range(4800))
    assert len(hours) == 24 and max(hours.values()) < 300


def test_a_shorter_interval_has_more_times() -> None:
    minute, hours, *rest = build_slot("S", "a", 21600).split()
    listed = [int(hour) for hour in hours.split(",")]
    assert len(listed) == 4 and [hour - listed[0] for hour in listed] == [0, 6, 12, 18] and listed[0] < 6
    assert int(minute) < 60 and rest == ["*", "*", "*"]


@pytest.mark.parametrize("interval_s", [0, 60, 3601, 25 * 3600, 5 * 3600])
def test_an_interval_that_does_not_part_a_day_is_refused(interval_s: int) -> None:
    with pytest.raises(ParameterError):
        build_slot("S", "a", interval_s)


def test_crons_file_is_whole_and_its_command_reports(world: World) -> None:
    root, user = make_debian(world.home / "a root"), getpass.getuser()
    with run_collector() as collector:
        done = world.run(*REPORT, "--root", str(root), "--to", collector.url, "--cron", "--user", user)
        assert (done.returncode, done.stderr) == (0, b"")
        lines = done.stdout.decode().splitlines()
        line = lines[-1]
        assert done.stdout.endswith(b"\n") and {"SHELL=/bin/sh", 'MAILTO="root"'} <= set(lines)
        slot = build_slot("MY-SITE", "node1.example.org")
        assert line.startswith(f"{slot} {user} cd / && {HEADLESS} inventory report ")
        command = line.removeprefix(f"{slot} {user} ").replace("\\%", "%")
        ran = subprocess.run(["/bin/sh", "-c", command], env=world.environment, capture_output=True, check=False)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"", b"")
        assert b"interval: 86400\n" in collector.bodies[0] and b"site: MY-SITE\n" in collector.bodies[0]


@pytest.mark.peer("crontab")
def test_cron_itself_takes_the_line(world: World) -> None:
    done = world.run(*REPORT, "--to", "https://a/b?c=%20", "--cron", "--user", "anna", "--mailto", "")
    line = done.stdout.decode().splitlines()[-1]
    table = world.home / "table"
    table.write_text(line.replace(" anna ", " ", 1) + "\n")  # a user's own table has no column for the user
    subprocess.run([shutil.which("crontab") or "crontab", "-n", str(table)], check=True, capture_output=True)


def test_nobody_has_a_spool_outside_a_home(world: World) -> None:
    done = world.run(*REPORT, "--to", "https://a/b", "--cron", "--user", "nobody")
    spool = b"/var/spool/headless-inventory-nobody"  # where root alone can make a folder
    assert b"--spool " + spool in done.stdout and b"no such user" not in done.stderr
    make = b"install -d -m 0700 -o nobody " + spool + b"\n"
    assert make in done.stdout and make in done.stderr
    done = world.run(*REPORT, "--to", "https://a/b", "--cron", "--user", "NOSUCH")
    assert done.returncode == 0 and done.stderr.count(b"--user NOSUCH: this machine has no such user") == 1
    done = world.run(*REPORT, "--to", "https://a/b", "--cron")
    user = "nobody" if os.geteuid() == 0 else ""
    assert done.returncode == 0 and f" {user}".encode() in done.stdout


def test_files_are_named_by_their_whole_paths(world: World) -> None:
    done = subprocess.run(
        [HEADLESS, *REPORT, "--encrypt", "a.pem", "--encrypt", "b.pem", "--output", "o", "--cron", "--user", "anna"],
        capture_output=True, cwd=world.home, env=world.environment, check=True,
    )  # fmt: skip
    words = shlex.split(done.stdout.decode().splitlines()[-1])
    assert [word for word in words if word.startswith(str(world.home))] == [
        str(world.home / name) for name in ("o", "a.pem", "b.pem")
    ]


def test_what_will_not_work_is_told_with_the_line(world: World) -> None:
    (world.home / "both.pem").write_text("-----BEGIN PRIVATE KEY-----\n")
    given = ("--encrypt", str(world.home / "both.pem"), "--encrypt", "nosuch.pem", "--token-file", "nosuchtok")
    done = world.run(*REPORT, "--to", "https://any:secret@a/b", *given, "--cron", "--user", getpass.getuser())
    assert done.returncode == 0 and b" inventory report " in done.stdout
    said = done.stderr.decode()
    assert "--encrypt nosuch.pem: no such file" in said and "--token-file nosuchtok: no such file" in said
    assert "both.pem: a private key stands in it" in said and said.count("\n") == 4
    assert "--to: a password stands in the URL" in said


def test_what_its_user_cannot_use_is_told(world: World) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root knows what another user can read")
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    hidden, plain = folder / "hidden.pem", folder / "plain.pem"
    for path, mode in ((hidden, 0o600), (plain, 0o644)):
        path.touch(mode)
        path.chmod(mode)
    try:
        given = ("--encrypt", str(hidden), "--ca-file", str(plain), "--cron", "--user")
        said = world.run(*REPORT, "--to", "https://a/b", *given, "nobody").stderr.decode()
        assert f"--encrypt {hidden}: nobody cannot read it" in said and "plain.pem" not in said
        assert world.run(*REPORT, "--to", "https://a/b", *given, "root").stderr == b""
    finally:
        shutil.rmtree(folder)


@pytest.mark.peer("systemd-analyze")
def test_systemds_units_are_whole(world: World, tmp_path: Path) -> None:
    done = world.run(*REPORT, "--to", "https://a/b", "--systemd", "--user", "nobody")
    assert done.returncode == 0
    parts = re.split(r"(?m)^# /etc/systemd/system/(\S+)\n", done.stdout.decode())[1:]
    units = dict(zip(parts[::2], parts[1::2], strict=True))
    assert sorted(units) == ["headless-inventory.service", "headless-inventory.timer"]
    for name, text in units.items():
        (tmp_path / name).write_text(text)
    verify = ["systemd-analyze", "verify", *(str(tmp_path / name) for name in units)]
    checked = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert (checked.returncode, "nobody" in checked.stderr) == (0, False), checked.stderr
    assert "DynamicUser=yes" in units["headless-inventory.service"]
    assert "User=nobody" not in units["headless-inventory.service"]
    minute, hour, *_ = build_slot("MY-SITE", "node1.example.org").split()
    assert f"OnCalendar=*-*-* {int(hour):02}:{int(minute):02}:00" in units["headless-inventory.timer"]
    assert "StateDirectory=headless-inventory" in units["headless-inventory.service"]


@pytest.mark.peer("systemd-analyze")
def test_a_service_without_a_user_gets_its_secrets_from_systemd(world: World, tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("sign", "token-file", "certificate", "key")}
    for path in files.values():
        path.write_text("secret\n")
        path.chmod(0o400)
    (tmp_path / "reporter.conf").write_text(f"token-file = {files.pop('token-file')}\n")
    given = [word for name, path in files.items() for word in (f"--{name}", str(path))]
    given += ["--config", str(tmp_path / "reporter.conf")]
    done = world.run(*REPORT, "--to", "https://a/b", *given, "--systemd", "--user", "nobody")
    assert done.returncode == 0
    assert not [line for line in done.stderr.decode().splitlines() if "token-file" in line or "--key" in line]
    service = done.stdout.decode().partition("\n# /etc")[0]
    for name in (*files, "token-file"):
        assert f"LoadCredential={name}:{tmp_path / name}\n" in service
        assert f"--{name} ${{CREDENTIALS_DIRECTORY}}/{name}" in service
    assert "DynamicUser=yes" in service
    unit = tmp_path / "headless-inventory.service"
    unit.write_text(service)
    checked = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    done = world.run(*REPORT, "--to", "https://a/b", *given[:6], "--cron", "--user", "nobody")
    assert done.stderr.count(b"what nobody can read is no secret") == 3
    done = world.run(*REPORT, "--to", "https://a/b", *given[:6], "--systemd", "--user", getpass.getuser())
    assert b"LoadCredential" not in done.stdout and f"--key {tmp_path / 'key'}".encode() in done.stdout


def test_the_service_reports_with_what_systemd_has_handed_it(world: World, tmp_path: Path) -> None:
    root, token, handed = make_debian(world.home / "root"), tmp_path / "token", tmp_path / "credentials"
    token.write_text("hli_secret\n")
    token.chmod(0o400)
    handed.mkdir(0o700)
    with run_collector() as collector:
        given = ("--token-file", str(token), "--root", str(root), "--to", collector.url)
        service = world.run(*REPORT, *given, "--systemd", "--user", "nobody").stdout.decode()
        [start] = re.findall(r"(?m)^ExecStart=(.*)$", service)
        for name, path in re.findall(r"(?m)^LoadCredential=([^:]*):(.*)$", service):
            shutil.move(path, handed / name)  # systemd copies it; the service could not read the original
        environment = {"PATH": "/usr/bin:/bin", "XDG_STATE_HOME": str(tmp_path / "state")}
        command = [word.replace("${CREDENTIALS_DIRECTORY}", str(handed)) for word in shlex.split(start)]
        ran = subprocess.run(command, cwd="/", capture_output=True, env=environment, check=False)
        assert (ran.returncode, ran.stderr) == (0, b"")
        assert collector.taken[0].headers["Authorization"] == "Bearer hli_secret"
