"""A certificate ends in the middle of a long ``cp``: it goes on with its successor, or tells what was not done."""

import datetime
import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from fault_support import fake_clock, set_clock
from grid_support import GridServer, GridUser
from headless.grid.serve.pki import Authority, name_user
from headless.grid.serve.tokens import TokenSubject
from relayed_grid import relayed_grid
from support import TIME_SCALE, wait_for
from tcp_relay import TcpRelay

pytestmark = pytest.mark.peer("xrootd")
LIFE_S = 6 * TIME_SCALE  # of what ends; the copy must have begun by then
COUNT = 24
BEHIND_S = 6900  # less than what certificates are backdated by
ENDED = 127  # EKEYEXPIRED


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GridServer, TcpRelay]]:
    """A running grid, and the way to its storage."""
    with relayed_grid(tmp_path_factory.mktemp("grid")) as (server, relay):
        server.add_user("tester")
        server.start()
        yield server, relay


class Copier:
    """A user whose credentials are the test's to make, and the folder that is copied."""

    def __init__(self, server: GridServer, relay: TcpRelay, home: Path) -> None:
        (home / "tmp").mkdir(mode=0o700)
        (home / ".globus").mkdir()
        self.user = GridUser(server, home)
        self.report = home / "report"
        self.up = f"/grid/user/t/tester/{home.name}"
        self.source = home / "in"
        self.source.mkdir()
        for number in range(COUNT):
            (self.source / str(number)).write_bytes(os.urandom(20_000))
        self._relay = relay

    def issue(self, lifetime_s: float, subject: str = "user") -> float:
        """Write the user's certificate, or its token, over the one that is there; when it ends."""
        authority = Authority.open(str(self.user.server.state / "pki"))
        name = name_user("tester") if subject == "user" else TokenSubject("user", "tester", "tester").build()
        pair = authority.issue(name, datetime.timedelta(seconds=lifetime_s), [])
        kind = "X509_USER" if subject == "user" else "JALIEN_TOKEN"
        for part, data in zip(("CERT", "KEY"), pair, strict=True):
            path = Path(self.user.variables[f"{kind}_{part}"])
            path.unlink(missing_ok=True)
            path.write_bytes(data)
            path.chmod(0o400)
        return time.time() + lifetime_s

    @contextmanager
    def half_way(self, environment: Mapping[str, str] | None = None) -> "Iterator[subprocess.Popen[bytes]]":
        """An upload of the folder that has begun, over a network that stands still for the block."""
        world = self.user.world
        world.variables = {**self.user.variables, **(environment or {})}
        process = world.start("grid", "cp", "-T", "3", *self.words)
        try:
            wait_for(lambda: self.rows() != [], "the first file")
            self._relay.stall()
            assert len(self.rows()) < COUNT
            yield process
        finally:
            self._relay.resume()

    @property
    def words(self) -> list[str]:
        """Of ``cp``."""
        return ["--report", str(self.report), f"file:{self.source}/", self.up]

    def rows(self) -> list[dict[str, object]]:
        """Of the report; the last line may be half a one."""
        lines = self.report.read_text().split("\n")[:-1] if self.report.exists() else []
        return [json.loads(line) for line in lines]

    def check_stored(self, expected: int) -> None:
        """So many files are there, and those whole."""
        back = self.user.home / "back"
        done = self.user.run("cp", f"{self.up}/", f"file:{back}")
        assert (done.returncode, done.stderr) == (0, b"")
        names = os.listdir(back)
        assert len(names) == expected
        assert all((back / name).read_bytes() == (self.source / name).read_bytes() for name in names)


@pytest.fixture
def copier(network: tuple[GridServer, TcpRelay], tmp_path: Path) -> Iterator[Copier]:
    """One that has no certificate yet."""
    copier = Copier(*network, tmp_path)
    yield copier
    copier.user.world.close()


def wait_ended(end: float) -> None:
    """Wait until a certificate has ended, and the server has noticed."""
    time.sleep(max(0.0, end - time.time()) + 0.5)


def finish(process: "subprocess.Popen[bytes]") -> tuple[int, str]:
    _, talk = process.communicate(timeout=60 * TIME_SCALE)
    assert b"Traceback" not in talk
    return process.returncode, talk.decode()


def test_what_was_not_done_is_told_and_the_next_run_does_it(copier: Copier) -> None:
    end = copier.issue(LIFE_S)
    with copier.half_way() as process:
        wait_ended(end)
    code, talk = finish(process)
    assert code == ENDED, talk
    counts = Counter((row["status"], row["code"]) for row in copier.rows())
    assert set(counts) == {("copied", 0), ("failed", ENDED)}
    assert f"{counts['failed', ENDED]} of {COUNT} files failed" in talk
    assert "the user certificate" in talk
    assert "get a new one of your authority" in talk
    copier.issue(3600)
    copier.check_stored(counts["copied", 0])
    done = copier.user.run("cp", "--resume", str(copier.report), *copier.words)
    assert (done.returncode, done.stderr) == (0, b"")
    again = Counter(row["status"] for row in copier.rows()[COUNT:])
    assert again == {"skipped": counts["copied", 0], "copied": counts["failed", ENDED]}
    copier.check_stored(COUNT)


def test_a_certificate_that_was_replaced_meanwhile_is_taken(copier: Copier) -> None:
    end = copier.issue(LIFE_S)
    with copier.half_way() as process:
        copier.issue(3600)
        wait_ended(end)
    assert finish(process) == (0, "")
    assert [row["status"] for row in copier.rows()] == ["copied"] * COUNT
    copier.check_stored(COUNT)


@pytest.mark.peer("faketime")
def test_a_token_that_ends_gives_way_to_the_users_certificate(copier: Copier, tmp_path: Path) -> None:
    """It is taken to be good for two hours by a clock that is behind, and is set right meanwhile."""
    copier.issue(3600)
    end = copier.issue(LIFE_S, "token")
    clock = tmp_path / "clock"
    set_clock(clock, -BEHIND_S)
    with copier.half_way(fake_clock(clock)) as process:
        set_clock(clock, 0)
        wait_ended(end)
    assert finish(process) == (0, "")
    assert [row["status"] for row in copier.rows()] == ["copied"] * COUNT
    copier.check_stored(COUNT)


@pytest.mark.peer("faketime")
def test_a_token_that_has_ended_for_the_server_only_gives_way_too(copier: Copier, tmp_path: Path) -> None:
    """This machine's clock is behind: what the server says of a certificate counts."""
    copier.issue(3600)
    end = copier.issue(1, "token")
    clock = tmp_path / "clock"
    set_clock(clock, -BEHIND_S)
    wait_ended(end)
    done = copier.user.run("pwd", environment=fake_clock(clock))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"/grid/user/t/tester/\n", b"")
    wait_ended(copier.issue(1))
    copier.issue(1, "token")
    wait_ended(time.time() + 1)
    done = copier.user.run("pwd", environment=fake_clock(clock))
    assert (done.returncode, done.stdout) == (ENDED, b"")
    assert b"the user certificate is over, or this machine's clock is wrong" in done.stderr
