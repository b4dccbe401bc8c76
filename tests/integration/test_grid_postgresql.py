"""Jobs and quotas once more, with the catalogue in PostgreSQL: the cases whose rows and transactions are their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from test_grid_jobs import (  # type: ignore[import-not-found]  # noqa: F401  # collected here too, with this grid
    test_a_job_goes_through_its_states_to_its_end,
    test_a_master_job_is_split_and_ends_with_its_parts,
    test_input_is_fetched_and_output_stored_with_the_jobs_own_credentials,
    test_no_more_jobs_than_the_quota_says,
    test_the_server_is_killed_and_no_job_is_lost_or_run_twice,
)
from test_grid_storage_commands import (  # type: ignore[import-not-found]  # noqa: F401
    test_quotas_hold_for_access_and_for_commit,
)

from grid_files import Local
from grid_support import GridServer, GridUser
from postgres import Postgres

pytestmark = [pytest.mark.peer("xrootd"), pytest.mark.peer("xrdcp")]


@pytest.fixture(scope="module")
def users(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, GridUser]]:
    """Users of a grid that runs jobs and has storages."""
    options = ("--run-as", "root", "--max-jobs", "2", "--database", postgres.create_database("grid_all"))
    with GridServer(tmp_path_factory.mktemp("grid"), *options).with_storages(2) as server:
        users = {"tester": server.add_user("tester", "jobs"), "boss": server.add_user("boss", "admin")}
        users |= {name: server.add_user(name) for name in ("poor", "stranger")}
        server.start()
        yield users
        assert "bug" not in server.log


@pytest.fixture(scope="module")
def user(users: dict[str, GridUser]) -> GridUser:
    """A user who may have jobs."""
    return users["tester"]


@pytest.fixture
def local(tmp_path: Path) -> Local:
    """A small file."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 5000)
    return Local(path)
