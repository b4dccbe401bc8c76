"""What all tests share: a real peer is named, and its absence is never silent; some tests need the machine alone."""

import fcntl
import os
import random
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from asked_fleet import Fleet, run_fleet
from fault_support import make_chance
from inventory_collecting import Desk, make_desk
from inventory_collector import ScriptedCollector, run_collector
from inventory_identities import Holder, make_holder
from inventory_roots import make_debian
from postgres import Postgres, run_postgres
from support import World, open_world

SYSTEM_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
# A shell's "&" leaves SIGINT ignored, nohup SIGHUP, and everything that the tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

IN_CI = os.environ.get("CI", "").lower() in ("true", "1")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests of a grid are on SQLite; those that are marked are on PostgreSQL too, with a grid of their own."""
    if "catalogue" in metafunc.fixturenames:
        is_marked = metafunc.definition.get_closest_marker("postgresql_too") is not None
        metafunc.parametrize("catalogue", ["sqlite", *["postgresql"] * is_marked], indirect=True, scope="module")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test by its peer's name where that program is missing; fail instead in CI."""
    for marker in item.iter_markers("peer"):
        for program in marker.args:
            if shutil.which(program, path=SYSTEM_PATH) is None:
                message = f"the real {program} is not installed"
                if IN_CI:
                    pytest.fail(message)
                pytest.skip(message)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Where tests run in several processes, keep those apart from all others that are marked ``alone``."""
    folder = _find_common_folder()
    if folder is None:
        return (yield)
    is_alone = item.get_closest_marker("alone") is not None
    with open(folder / "turn", "ab") as turn, open(folder / "machine", "ab") as machine:
        # Whoever waits for the machine holds the turn meanwhile: nobody overtakes, so everybody gets it.
        fcntl.flock(turn, fcntl.LOCK_EX)
        fcntl.flock(machine, fcntl.LOCK_EX if is_alone else fcntl.LOCK_SH)
        fcntl.flock(turn, fcntl.LOCK_UN)
        return (yield)


def _find_common_folder() -> Path | None:
    """A folder that all processes of this run share; ``None`` if there is but one."""
    if not os.environ.get("PYTEST_XDIST_WORKER"):
        return None
    folder = Path(tempfile.gettempdir()) / f"headless-tests-{os.environ['PYTEST_XDIST_TESTRUNUID']}"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def world() -> Iterator[World]:
    """A world of the test's own."""
    with open_world() as world:
        yield world


@pytest.fixture(scope="module")
def home() -> Iterator[World]:
    """A world that all tests of a file share."""
    with open_world() as world:
        yield world


@pytest.fixture
def chance() -> random.Random:
    """Chance from a seed that is shown when the test fails."""
    return make_chance()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL."""
    with run_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def journal_url(request: pytest.FixtureRequest) -> str:
    """A new journal's URL; empty for SQLite's file."""
    if request.param == "sqlite":
        return ""
    server: Postgres = request.getfixturevalue("postgres")
    return server.create_database(f"t{os.urandom(6).hex()}")


@pytest.fixture(scope="module")
def catalogue(request: pytest.FixtureRequest) -> list[str]:
    """Options of a grid's server: where its catalogue is."""
    if request.param == "sqlite":
        return []
    server: Postgres = request.getfixturevalue("postgres")
    return ["--database", server.create_database(f"t{os.urandom(6).hex()}")]


@pytest.fixture(scope="module")
def holders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Holder, Holder]:
    """An inventory's collector, and a stranger."""
    folder = tmp_path_factory.mktemp("keys")
    return make_holder(folder, "collector"), make_holder(folder, "stranger")


@pytest.fixture
def desk(tmp_path: Path, holders: tuple[Holder, Holder]) -> Desk:
    """A collector with a key."""
    return make_desk(tmp_path, holders[0])


@pytest.fixture(scope="module", params=["sqlite", "mariadb", "postgresql"])
def fleet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A fleet in each database, to be asked."""
    with run_fleet(request.param, tmp_path_factory.mktemp(request.param)) as fleet:
        yield fleet


@pytest.fixture
def collector() -> Iterator[ScriptedCollector]:
    """A collector that answers as it is told; mocked, for what no real one does when asked."""
    with run_collector() as server:
        yield server


@pytest.fixture
def place(world: World) -> World:
    """A world with a Debian in the folder "root"."""
    make_debian(world.home / "root")
    return world
