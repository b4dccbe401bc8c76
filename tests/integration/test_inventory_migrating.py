"""Inventories of older versions, brought up to date by the first start of a newer headless."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, ForeignKey, Integer, MetaData, String, Table, insert, inspect, select
from sqlalchemy.engine import make_url

from headless.database.backends import build_engine, check_url
from headless.inventory.collect.schema import SCHEMA, hosts, version
from headless.inventory.collect.store import Store
from inventory_database import run_database
from inventory_support import DAY, NOW, make_arrival, read_history


@pytest.fixture(scope="module", params=["sqlite", "mariadb", "postgresql"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database of each kind; empty for SQLite."""
    with ExitStack() as stack:
        is_file = request.param == "sqlite"
        yield "" if is_file else stack.enter_context(run_database(request.param)).create_database("inventory")


def make_second_version(connection: Connection) -> None:
    """An inventory of the second version, with the hosts node1 to node3: tags had a table, and hosts a column of it."""
    old = MetaData()
    tags = Table("tags", old, Column("id", Integer, primary_key=True), Column("name", String(255), unique=True))
    for table in SCHEMA.version.metadata.sorted_tables:
        table.to_metadata(old)
    old.tables["hosts"].append_column(Column("tag_id", Integer, ForeignKey("tags.id"), nullable=False))
    old.create_all(connection)
    connection.execute(insert(tags).values(id=5, name="T"))
    for name, key in (("sites", "SITE"), ("domains", "example.org")):
        connection.execute(insert(old.tables[name]).values(id=1, name=key))
    for number in (1, 2, 3):
        row = {"id": 6 + number, "name": f"node{number}", "domain_id": 1, "site_id": 1, "machine": 0, "interval": 9}
        connection.execute(insert(old.tables["hosts"]).values(tag_id=5, **row))
    connection.execute(insert(version).values(version=2))


def test_one_whose_hosts_have_tags(url: str, tmp_path: Path) -> None:
    """Its hosts are the same by number, and go on."""
    known = check_url(url, "inventory", SCHEMA.backends) if url else make_url(f"sqlite:///{tmp_path}/inventory.db")
    engine = build_engine(known)
    with engine.begin() as connection:
        make_second_version(connection)

    async def go_on() -> list[int]:
        store = Store.open(url, str(tmp_path))
        reports = [make_arrival("1", NOW - DAY, host=f"node{number}.example.org", tag="T") for number in (1, 2, 3, 4)]
        verdicts = await store.store(reports)
        history = await store.read(read_history)
        assert {name for name, *_ in history} == {"node1", "node2", "node3", "node4"}
        await store.close()
        return [verdict.host_id for verdict in verdicts]

    assert asyncio.run(go_on()) == [7, 8, 9, 10]
    with engine.begin() as connection:
        found = inspect(connection)
        assert "tags" not in found.get_table_names() and "hosts_new" not in found.get_table_names()
        assert [column["name"] for column in found.get_columns("hosts")] == [column.name for column in hosts.c]
        assert "hosts_by_name" in {index["name"] for index in found.get_indexes("hosts")}
        assert {key["referred_table"] for key in found.get_foreign_keys("spans")} >= {"hosts"}
        assert connection.execute(select(version)).all() == [(3,)]
        assert connection.execute(select(hosts.c.interval).where(hosts.c.id == 7)).scalar_one() in (0, 9)
    engine.dispose()
