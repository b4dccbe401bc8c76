"""What wildcards may cost."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
import sqlalchemy

from headless.grid.messages import GridError
from headless.grid.serve.call import Session
from headless.grid.serve.lookup import expand
from headless.grid.serve.schema import entries

EACH = 51_000
E2BIG = 7
ENTRY = {"owner": "u", "group": "u", "mode": 0o755, "size": 1, "md5": "", "guid": "", "created_ms": 1, "modified_ms": 1}


def _row(parent: str, name: str, kind: str) -> dict[str, Any]:
    path = f"{parent.rstrip('/')}/{name}"
    return {"path": path, "parent": parent if name else "", "name": name, "kind": kind} | ENTRY


def test_a_wildcard_looks_through_so_many_names_in_all_folders_together() -> None:
    session = cast("Session", SimpleNamespace(user=SimpleNamespace(is_admin=True, home="/"), directory="/"))
    rows = [_row("/", "", "d"), _row("/", "a", "d"), _row("/", "b", "d")]
    rows += [_row(folder, f"f{number}", "f") for folder in ("/a", "/b") for number in range(EACH)]
    with sqlalchemy.create_engine("sqlite://").connect() as connection:
        entries.create(connection)
        connection.execute(entries.insert(), rows)
        assert expand(connection, session, "/a/f5099?")[0] == "/a/f50990"
        with pytest.raises(GridError) as caught:
            expand(connection, session, "/*/x*")
    assert caught.value.exit_code == E2BIG
