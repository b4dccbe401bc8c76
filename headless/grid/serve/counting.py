"""Triggers that keep each user's files and bytes, so that no change of an entry, whoever makes it, goes uncounted."""

from sqlalchemy import Connection, MetaData, event

from headless.grid.serve.schema import metadata

__all__: list[str] = []

_ADD = """insert into grid_usage ("user", files, bytes) values (NEW.owner, 1, NEW.size)
    on conflict ("user") do update set files = grid_usage.files + 1, bytes = grid_usage.bytes + NEW.size;"""
_TAKE = """update grid_usage set files = files - 1, bytes = bytes - OLD.size where "user" = OLD.owner;"""
_SQLITE = (
    f"create trigger grid_usage_insert after insert on grid_entries when NEW.kind = 'f' begin {_ADD} end",
    f"create trigger grid_usage_delete after delete on grid_entries when OLD.kind = 'f' begin {_TAKE} end",
    "create trigger grid_usage_update after update of owner, size on grid_entries when OLD.kind = 'f'"
    f" begin {_TAKE} {_ADD} end",
)
_POSTGRESQL = (
    f"""create function grid_count_usage() returns trigger language plpgsql as $$ begin
    if tg_op <> 'INSERT' and OLD.kind = 'f' then {_TAKE} end if;
    if tg_op <> 'DELETE' and NEW.kind = 'f' then {_ADD} end if;
    return null; end $$""",
    "create trigger grid_usage_count after insert or delete or update of owner, size on grid_entries"
    " for each row execute function grid_count_usage()",
)


@event.listens_for(metadata, "after_create")
def _make_triggers(_: MetaData, connection: Connection, **__: object) -> None:
    for statement in _SQLITE if connection.dialect.name == "sqlite" else _POSTGRESQL:
        connection.exec_driver_sql(statement)
