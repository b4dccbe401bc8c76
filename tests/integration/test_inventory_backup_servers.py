"""A collector's state and its database, each copied by its own tools while it runs, put in place again."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from inventory_database import DatabaseServer, run_database
from inventory_keeping import Kept
from inventory_server import CollectorServer
from support import HEADLESS, TIME_SCALE, wait_for

NAME = "inventory"


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def database(request: pytest.FixtureRequest) -> Iterator[DatabaseServer]:
    """Each of the servers that a collector may use."""
    with run_database(request.param) as server:
        yield server


@pytest.fixture
def kept(tmp_path: Path, database: DatabaseServer) -> Iterator[Kept]:
    with CollectorServer(tmp_path, options=["--database", database.create_database(NAME)]) as server:
        server.start()
        yield Kept(server)
        server.kill()
    database.drop(NAME)


def test_both_copies_together_have_all_that_came_before(kept: Kept, database: DatabaseServer, tmp_path: Path) -> None:
    """Also what came between the two, and the restored one goes on: it stores what is new, and knows what is not."""
    server, copy = kept.server, tmp_path / "copy"
    command = [HEADLESS, "inventory", "backup", str(copy), "--state", str(server.state)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "copy that now" in done.stderr and "//" in done.stderr
    kept.send("between", 5, made=50)
    database.dump(NAME)
    kept.send("after", 5, made=40)
    history = kept.ask(server.port, "history?host=shrunk")
    server.kill()
    shutil.rmtree(server.state)
    database.drop(NAME)
    database.restore(NAME)
    copy.rename(server.state)
    server.start()
    assert [row["host"] for row in kept.ask(server.port, "hosts")] == ["between", "shrunk"]
    assert [row["host"] for row in kept.ask(server.port, "hosts?retired=true")] == ["old"]
    assert kept.ask(server.port, "history?host=shrunk") == history and len(history) == 3
    assert "inventory-empty" not in server.log
    kept.send("new", 6, made=10)
    assert [row["host"] for row in kept.ask(server.port, "hosts")] == ["between", "new", "shrunk"]
    assert len(kept.ask(server.port, "show?host=new")) == 6


def test_a_restore_to_another_place_begins_no_inventory_by_a_slip(kept: Kept, database: DatabaseServer) -> None:
    server = kept.server
    server.stop()
    words = [HEADLESS, "inventory", "serve", "--state", str(server.state), "--database"]
    elsewhere = database.create_database("elsewhere")
    done = subprocess.run([*words, elsewhere], capture_output=True, text=True, check=False, timeout=60 * TIME_SCALE)
    assert done.returncode == 2 and "remove" in done.stderr and NAME in done.stderr
    (server.state / "database").unlink()
    server.options = ["--database", elsewhere]
    server.start()
    assert "inventory-empty" in server.log
    server.stop()
    database.drop("elsewhere")


def test_a_lost_database_is_an_error_in_the_log_and_made_anew_of_what_is_kept(
    kept: Kept, database: DatabaseServer
) -> None:
    server = kept.server
    history = kept.ask(server.port, "history?host=shrunk")
    server.stop()
    database.drop(NAME)
    database.create_database(NAME)
    server.start()
    [line] = [line for line in server.log.splitlines() if "inventory-empty" in line]
    assert "ERROR" in line and "headless inventory reprocess" in line
    assert "processed again" in kept.run("reprocess")
    wait_for(lambda: len(kept.ask(server.port, "hosts")) == 2, "the hosts")
    wait_for(lambda: kept.ask(server.port, "history?host=shrunk") == history, "its history")
