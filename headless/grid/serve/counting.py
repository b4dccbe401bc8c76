"""Triggers that keep each user's files and bytes, so that no change of an entry, whoever makes it, goes uncounted."""

from sqlalchemy import Connection, MetaData, event

from headless.grid.serve.schema import metadata

__all__ = ["count_by_statement"]

_ADD = """insert into grid_usage ("user", files, bytes) values (NEW.owner, 1, NEW.size)
    on conflict ("user") do update set files = grid_usage.files + 1, bytes = grid_usage.bytes + NEW.size;"""
_TAKE = """update grid_usage set files = files - 1, bytes = bytes - OLD.size where "user" = OLD.owner;"""
_SQLITE = (
    f"create trigger grid_usage_insert after insert on grid_entries when NEW.kind = 'f' begin {_ADD} end",
    f"create trigger grid_usage_delete after delete on grid_entries when OLD.kind = 'f' begin {_TAKE} end",
    "create trigger grid_usage_update after update of owner, size on grid_entries when OLD.kind = 'f'"
    f" begin {_TAKE} {_ADD} end",
)
# By statement, not by row: each row's own update of the sum would be one more version of it to be passed by the next.
_POSTGRESQL = (
    """create or replace function grid_count_usage() returns trigger language plpgsql as $$ begin
    if tg_op <> 'INSERT' then
        update grid_usage set files = grid_usage.files - less.files, bytes = grid_usage.bytes - less.bytes from
            (select owner, count(*) as files, sum(size) as bytes from gone where kind = 'f' group by owner) as less
            where "user" = less.owner;
    end if;
    if tg_op <> 'DELETE' then
        insert into grid_usage ("user", files, bytes)
            select owner, count(*), sum(size) from come where kind = 'f' group by owner
            on conflict ("user") do update
            set files = grid_usage.files + excluded.files, bytes = grid_usage.bytes + excluded.bytes;
    end if;
    return null; end $$""",
    "drop trigger if exists grid_usage_count on grid_entries",
    *(
        f"create trigger grid_usage_{word} after {word} on grid_entries referencing {tables}"
        " for each statement execute function grid_count_usage()"
        for word, tables in (
            ("insert", "new table as come"),
            ("delete", "old table as gone"),
            ("update", "old table as gone new table as come"),
        )
    ),
)


@event.listens_for(metadata, "after_create")
def _make_triggers(_: MetaData, connection: Connection, **__: object) -> None:
    for statement in _SQLITE if connection.dialect.name == "sqlite" else _POSTGRESQL:
        connection.exec_driver_sql(statement)


def count_by_statement(connection: Connection) -> None:
    """Bring the triggers of an older catalogue up to date: PostgreSQL's have counted each row by itself."""
    if connection.dialect.name == "postgresql":
        _make_triggers(metadata, connection)
