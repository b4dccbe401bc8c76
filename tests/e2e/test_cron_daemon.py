"""A launch from the real cron daemon, with the lines that ``headless schedule cron`` prints.

The daemon runs in a mount namespace of its own: its folders, its pid file and the mail program are the test's, the
machine's stay untouched. It starts at the next full minute, so this one test takes up to a minute.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import SYSTEM_PATH
from job_support import list_children, require_mounts
from support import HEADLESS, World, wait_for

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to run a cron daemon"),
    pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's mount namespaces"),
    pytest.mark.peer("cron", "unshare", "mount"),
]

MOUNT = """
set -e
for place in etc/cron.d var/spool/cron run usr/sbin; do
    mount --bind "$1/$place" "/$place"
done
mount --bind "$1/etc/crontab" /etc/crontab
exec /usr/sbin/cron -f
"""


def _write_line(world: World, folder: Path, name: str, code: str, *options: str) -> None:
    """Have the line printed that starts ``code`` every minute. The home is not root's own: a line of the site's."""
    done = world.run(
        *("schedule", "cron", "--at", "* * * * *", "--user", "root", "--mailto", "admin", "--name", name),
        *("--program", HEADLESS, "--", "-t", "-1", *options, "-c", code),
    )
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode().replace("SHELL=", f"HOME={world.home}\nSHELL=", 1)
    (folder / name).write_text(text)
    (folder / name).chmod(0o644)


@pytest.fixture
def root(world: World) -> Path:
    """What the daemon sees instead of the machine's own folders."""
    require_mounts()
    root = world.home / "root"
    for place in ("etc/cron.d", "var/spool/cron/crontabs", "run", "usr/sbin", "mails"):
        (root / place).mkdir(parents=True)
    (root / "etc" / "crontab").touch(mode=0o644)
    program = shutil.which("cron", path=SYSTEM_PATH)
    assert program is not None
    shutil.copy(program, root / "usr" / "sbin" / "cron")
    mail = root / "usr" / "sbin" / "sendmail"
    mail.write_text(f"#!/bin/sh\ncat > {root}/mails/$$.tmp && mv {root}/mails/$$.tmp {root}/mails/$$.mail\n")
    mail.chmod(0o755)
    return root


@contextmanager
def run_daemon(root: Path) -> Iterator[int]:
    """The daemon's process id, while it runs."""
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", MOUNT, "sh", str(root)]
    with (root / "log").open("wb") as log:
        daemon = subprocess.Popen(
            command, env={"PATH": "/usr/bin:/bin"}, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        wait_for((root / "run" / "crond.pid").exists, (root / "log").read_text() or "the daemon")
        yield daemon.pid
    finally:
        daemon.terminate()
        daemon.wait()


def test_cron_launches_a_job_in_silence_and_mails_what_goes_wrong(world: World, root: Path) -> None:
    folder = root / "etc" / "cron.d"
    ran = world.home / "ran"
    good = f"import os; print('no mail'); open({str(ran)!r}, 'a').write('100%% of %d%%\\n' % 5 + os.getcwd())"
    _write_line(world, folder, "good", good)
    _write_line(world, folder, "bad", "print('some output'); raise SystemExit('no room on the disk')")
    with run_daemon(root) as pid:
        mails = root / "mails"
        wait_for(lambda: ran.exists() and any(mails.glob("*.mail")), "the next full minute", 75)
        wait_for(lambda: list_children(pid) == [], "the end of what cron has started")
    written = ran.read_text().splitlines()
    assert written[0] == "100% of 5%"
    assert written[1].startswith(f"{world.home}/.local/state/headless/")
    [mail] = [file.read_text(errors="replace") for file in mails.iterdir()]
    head, _, body = mail.partition("\n\n")
    assert "To: admin" in head and ".bad.lock" in head
    lines = body.splitlines()
    assert lines[0].startswith("headless: job ") and lines[0].endswith(" failed: exit status 1")
    assert lines[1:] == [
        "--- the end of its stdout:",
        "some output",
        "--- the end of its stderr:",
        "no room on the disk",
    ]
    status = world.run("server", "status").stdout.decode()
    assert "running   0" in status  # the server outlives the daemon, and no job is left
