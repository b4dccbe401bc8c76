"""The ready examples in contrib/inventory: valid for systemd and cron, and read by the collector."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from headless.inventory.web.settings import add_default_feed, read_serve_settings
from support import TIME_SCALE

CONTRIB = Path(__file__).resolve().parents[2] / "contrib/inventory"
ENVIRONMENT = {"PATH": "/usr/bin:/bin:/usr/sbin", "LANG": "C"}


def run(*words: str | Path) -> tuple[int, str]:
    """Run a program; return its status and all it says."""
    done = subprocess.run(
        words, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=60 * TIME_SCALE, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


def test_the_collector_reads_its_settings(tmp_path: Path) -> None:
    file = tmp_path / "collector.toml"
    shutil.copy(CONTRIB / "collector.toml", file)
    collector, web = read_serve_settings(str(file), str(tmp_path / "state"), {"listen": "127.0.0.1:1"})
    assert {name for name in collector.feeds if name != "file"} == {"wlcg", "site-a", "old"}
    assert (web.listen, web.tls_cert, web.proxies) == ("127.0.0.1:1", str(tmp_path / "tls.pem"), ("192.0.2.10/32",))
    assert collector.feeds["old"].path == "/package-report/"
    assert add_default_feed(collector, ()) is collector


@pytest.mark.peer("systemd-analyze")
def test_systemd_finds_nothing_to_say_about_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "headless-inventory.service"
    unit.write_text((CONTRIB / unit.name).read_text().replace("ExecStart=/usr/bin/headless ", "ExecStart=/bin/true "))
    assert run("systemd-analyze", "verify", "--man=no", unit) == (0, "")
    status, text = run("systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", unit)
    assert status == 0, text


@pytest.mark.peer("crontab")
def test_crontab_takes_the_line(tmp_path: Path) -> None:
    file = tmp_path / "crontab"
    text = (CONTRIB / "cron").read_text()
    file.write_text(re.sub(r"(?m)^((?:\S+ ){5})nobody ", r"\1", text))
    assert "* nobody" not in file.read_text()
    assert run("crontab", "-n", file)[0] == 0
