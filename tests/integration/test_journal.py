"""The journal on real databases: SQLite in a file, and a real PostgreSQL."""

import asyncio
import os
import sqlite3
import stat
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, inspect, select

from headless.errors import ParameterError, Skipped, Unavailable
from headless.job import Ending, JobKind, JobSpec, JobState, Outcome, Overlap
from headless.server import ledger, schema
from headless.server.journal import FILE, Journal, check_url
from headless.server.records import Record
from headless.server.schema import VERSION, jobs, names, version
from postgres import Postgres, run_postgres
from raw_session import new_job_id

Test = Callable[[Journal], Awaitable[None]]
ROOT_ONLY = pytest.mark.skipif(os.geteuid() == 0, reason="root can read every file")


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with run_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """A new journal's URL; empty for SQLite's file."""
    if request.param == "sqlite":
        return ""
    server: Postgres = request.getfixturevalue("postgres")
    return server.create_database(f"t{os.urandom(6).hex()}")


def run(test: Test, state: Path, url: str = "") -> None:
    """Run a test on an open journal."""

    async def main() -> None:
        journal = Journal.open(url, str(state))
        try:
            await test(journal)
        finally:
            await journal.close()

    asyncio.run(main())


def build_record(name: str = "nightly", user: str = "anna", overlap: Overlap = Overlap.ALLOW) -> Record:
    spec = JobSpec(job_id=new_job_id(), kind=JobKind.CODE, name=name, source=b"\0pass\xff", overlap=overlap)
    return Record(
        spec=spec, source_sha256="0" * 64, user=user, run_as="", origin="here", state=JobState.WAITING,
        boot_id="this", accepted_at=1000.0, accepted_up=5.0,
    )  # fmt: skip


def insert_name(name: str) -> Callable[[Connection], str]:
    def insert(connection: Connection) -> str:
        zeros = dict.fromkeys(("failures", "ended", "failed", "stopped", "lost", "skipped", "skips_untold"), 0)
        connection.execute(names.insert().values(name=name, last_job_id="", last_state="", told="", **zeros))
        return name

    return insert


def read_names(connection: Connection) -> list[str]:
    return list(connection.execute(select(names.c.name).order_by(names.c.name)).scalars())


def accept(record: Record, *, has_slot: bool = True, sees_all: bool = False) -> Callable[[Connection], ledger.Decision]:
    return lambda connection: ledger.accept(connection, record, has_slot=has_slot, sees_all=sees_all)


def end(record: Record) -> Callable[[Connection], bool]:
    outcome = Outcome(ending=Ending.STATUS, code=0, duration_s=1.5, dropped={"stdout": 7})
    return lambda connection: ledger.end(connection, record.job_id, outcome, 2000.0)


def test_what_was_written_is_there_for_the_next(tmp_path: Path, url: str) -> None:
    async def write(journal: Journal) -> None:
        assert await journal.write(insert_name("a")) == "a"
        assert await journal.read(read_names) == ["a"]

    async def look(journal: Journal) -> None:
        assert await journal.read(read_names) == ["a"]

    run(write, tmp_path, url)
    run(look, tmp_path, url)


def test_many_callers_share_a_commit_and_each_gets_its_own_answer(tmp_path: Path, url: str) -> None:
    async def write(journal: Journal) -> None:
        answers = await asyncio.gather(*(journal.write(insert_name(f"n{number:04}")) for number in range(1200)))
        assert answers == [f"n{number:04}" for number in range(1200)]
        assert await journal.read(read_names) == answers

    run(write, tmp_path, url)


def test_one_that_fails_undoes_its_own_work_only(tmp_path: Path, url: str) -> None:
    def fail(connection: Connection) -> None:
        insert_name("half")(connection)
        raise Skipped("in the way")

    async def write(journal: Journal) -> None:
        first, second, third = await asyncio.gather(
            journal.write(insert_name("a")),
            journal.write(fail),
            journal.write(insert_name("b")),
            return_exceptions=True,
        )
        assert (first, third) == ("a", "b")
        assert isinstance(second, Skipped)
        assert await journal.read(read_names) == ["a", "b"]

    run(write, tmp_path, url)


def test_closing_waits_for_what_was_asked(tmp_path: Path, url: str) -> None:
    async def write(journal: Journal) -> None:
        for number in range(50):
            asyncio.ensure_future(journal.write(insert_name(f"n{number}")))  # noqa: RUF006  # nobody waits: the point
        await asyncio.sleep(0)

    async def look(journal: Journal) -> None:
        assert len(await journal.read(read_names)) == 50

    run(write, tmp_path, url)
    run(look, tmp_path, url)


def test_a_job_comes_back_as_it_was_written(tmp_path: Path, url: str) -> None:
    async def write(journal: Journal) -> None:
        record = build_record()
        decision = await journal.write(accept(record))
        assert (decision.is_new, decision.record.state) == (True, JobState.RUNNING)
        (live,) = await journal.read(ledger.load_live)
        assert live == decision.record
        assert live.spec.source == b"\0pass\xff"
        again = await journal.write(accept(record))
        assert (again.is_new, again.record.without_source()) == (False, live.without_source())
        assert await journal.write(end(record))
        assert not await journal.write(end(record))
        ended = await journal.read(lambda connection: ledger.find(connection, record.job_id))
        assert ended is not None
        assert (ended.state, ended.outcome) == (
            JobState.ENDED,
            Outcome(ending=Ending.STATUS, code=0, duration_s=1.5, dropped={"stdout": 7}),
        )
        assert await journal.read(ledger.load_live) == []

    run(write, tmp_path, url)


@pytest.mark.parametrize("number", [50])
def test_skip_lets_exactly_one_in(tmp_path: Path, url: str, number: int) -> None:
    async def write(journal: Journal) -> None:
        records = [build_record(overlap=Overlap.SKIP) for _ in range(number)]
        answers = await asyncio.gather(*(journal.write(accept(record)) for record in records), return_exceptions=True)
        accepted = [answer for answer in answers if isinstance(answer, ledger.Decision)]
        skipped = [str(answer) for answer in answers if isinstance(answer, Skipped)]
        assert (len(accepted), len(skipped)) == (1, number - 1)
        assert all(accepted[0].record.job_id in text for text in skipped)

    run(write, tmp_path, url)


def test_wait_goes_behind_all_that_live_and_replace_cancels_them(tmp_path: Path, url: str) -> None:
    async def write(journal: Journal) -> None:
        first = await journal.write(accept(build_record()))
        second = await journal.write(accept(build_record(overlap=Overlap.WAIT)))
        assert (second.record.state, second.in_the_way) == (JobState.WAITING, (first.record.job_id,))
        await journal.write(end(first.record))
        third = await journal.write(accept(build_record(overlap=Overlap.REPLACE)))
        assert (third.record.state, third.in_the_way) == (JobState.WAITING, (second.record.job_id,))
        replaced = await journal.read(lambda connection: ledger.find(connection, second.record.job_id))
        assert replaced is not None
        assert replaced.cancel == f"replaced by job {third.record.job_id} of anna"
        other = await journal.write(accept(build_record("another", overlap=Overlap.SKIP)))
        assert other.record.state is JobState.RUNNING

    run(write, tmp_path, url)


def test_a_transaction_that_cannot_be_written_is_unavailable_and_the_next_may_succeed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headless.server.journal.LOCK_LIMIT_S", 0.2)

    async def write(journal: Journal) -> None:
        other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
        other.execute("begin immediate")
        with pytest.raises(Unavailable, match="locked: another program has it open"):
            await journal.write(insert_name("a"))
        other.rollback()
        other.close()
        assert await journal.write(insert_name("b")) == "b"
        assert await journal.read(read_names) == ["b"]

    run(write, tmp_path)


def test_a_database_that_goes_away_and_comes_back(tmp_path: Path) -> None:
    with run_postgres() as server:

        async def write(journal: Journal) -> None:
            await journal.write(insert_name("a"))
            server.stop()
            with pytest.raises(Unavailable):
                await journal.write(insert_name("b"))
            with pytest.raises(Unavailable):
                await journal.read(read_names)
            server.start()
            await journal.write(insert_name("c"))
            assert await journal.read(read_names) == ["a", "c"]

        run(write, tmp_path, server.create_database("away"))


def test_a_second_server_on_the_same_postgresql_is_refused(tmp_path: Path, postgres: Postgres) -> None:
    url = postgres.create_database("two")

    async def open_another(_: Journal) -> None:
        with pytest.raises(ParameterError, match="in use by another server"):
            Journal.open(url, str(tmp_path))

    run(open_another, tmp_path, url)
    run(open_another, tmp_path, url)  # and it was given back


def refuse(state: Path, match: str, url: str = "") -> None:
    async def main() -> None:
        with pytest.raises(ParameterError, match=match):
            Journal.open(url, str(state))

    before = threading.active_count()
    asyncio.run(main())
    assert threading.active_count() == before


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"three billion jobs\n" * 1000)
    refuse(tmp_path, "not a database: restore it from a backup")
    assert (tmp_path / FILE).read_bytes().startswith(b"three billion")


def test_another_program_s_database(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / FILE) as other:
        other.execute("create table jobs (id integer)")
    other.close()
    refuse(tmp_path, "another program's database")


def test_a_journal_from_the_future(tmp_path: Path, url: str) -> None:
    async def age(journal: Journal) -> None:
        await journal.write(
            lambda connection: connection.execute(version.update().values(version=VERSION + 1)) and None
        )

    run(age, tmp_path, url)
    refuse(tmp_path, f"of version {VERSION + 1}, and this headless knows {VERSION} at most: upgrade headless", url)


def test_a_locked_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headless.server.journal.LOCK_LIMIT_S", 0.2)
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("begin exclusive")
    refuse(tmp_path, "locked: another program has it open")
    other.close()


@ROOT_ONLY
def test_a_journal_that_cannot_be_written(tmp_path: Path) -> None:
    run(lambda journal: asyncio.sleep(0), tmp_path)
    (tmp_path / FILE).chmod(stat.S_IRUSR)
    refuse(tmp_path, "readonly")


def test_a_journal_whose_place_is_taken_by_a_folder(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    refuse(tmp_path, "is of no use: unable to open database file")


def test_only_the_owner_reads_it(tmp_path: Path) -> None:
    run(lambda journal: asyncio.sleep(0), tmp_path)
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["nonsense", "mysql://host/db", "sqlite:///x", "postgresql", "http://x/y"])
def test_urls_that_are_none(text: str) -> None:
    with pytest.raises(ParameterError, match="setting 'journal'"):
        check_url(text)


def test_an_unreachable_database_is_named_without_its_password(tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(ParameterError) as caught:
            Journal.open("postgresql://anna:geheim@127.0.0.1:1/db", str(tmp_path))
        assert "127.0.0.1" in str(caught.value)
        assert "geheim" not in str(caught.value)

    asyncio.run(main())


def test_listing_goes_by_who_asks_and_what_is_wanted(tmp_path: Path, url: str) -> None:
    from headless.protocol.messages import JobList

    async def write(journal: Journal) -> None:
        records = [build_record(name, user) for name in ("one", "two") for user in ("anna", "bert") for _ in range(3)]
        for record in records:
            await journal.write(accept(record))
        await journal.write(end(records[0]))

        async def ids(reader_name: str, owner: bool = False, **wanted: object) -> list[str]:
            query = JobList(**wanted)  # type: ignore[arg-type]
            reader = ledger.Reader(reader_name, owner)
            found, _ = await journal.read(lambda connection: ledger.list_jobs(connection, reader, query, 1100.0))
            return [record.job_id for record in found]

        everyone = [record.job_id for record in reversed(records)]
        assert await ids("root", owner=True) == everyone
        assert len(await ids("anna")) == 6
        assert await ids("anna", user="bert") == []
        assert len(await ids("root", owner=True, user="bert", name="two")) == 3
        assert await ids("root", owner=True, state="final") == [records[0].job_id]
        assert len(await ids("root", owner=True, state="live")) == 11
        assert await ids("root", owner=True, since=50.0) == []
        assert await ids("root", owner=True, limit=5) == everyone[:5]
        assert await ids("root", owner=True, limit=5, before=everyone[4]) == everyone[5:10]
        with pytest.raises(ParameterError, match="unknown job"):
            await ids("root", before=new_job_id())

    run(write, tmp_path, url)


def test_forgetting_keeps_the_last_of_each_name_and_all_that_live(tmp_path: Path, url: str) -> None:
    async def write(journal: Journal) -> None:
        records = [build_record(name) for name in ("one", "two") for _ in range(4)]
        for record in records:
            await journal.write(accept(record))
        for record in records[:3] + records[4:]:
            await journal.write(end(record))
        wanted = await journal.read(lambda connection: ledger.list_ended(connection, before=3000.0, keep=1))
        assert sorted(wanted) == sorted(record.job_id for record in records[:2] + records[4:7])
        assert await journal.read(lambda connection: ledger.list_ended(connection, before=1500.0)) == []
        surplus = await journal.read(lambda connection: ledger.list_surplus(connection, keep=5))
        assert surplus == [records[1].job_id, records[0].job_id]
        everything = [record.job_id for record in records]
        await journal.write(lambda connection: ledger.forget(connection, everything))
        (left,) = await journal.read(ledger.load_live)
        assert left.job_id == records[3].job_id

    run(write, tmp_path, url)


def test_overlap_is_decided_by_an_index_that_leads_to_the_live_jobs(tmp_path: Path) -> None:
    async def look(journal: Journal) -> None:
        def explain(connection: Connection) -> str:
            query = select(jobs.c.job_id).where((jobs.c.name == "x") & jobs.c.state.in_(["waiting", "running"]))
            text = str(query.compile(connection, compile_kwargs={"literal_binds": True}))
            return str(connection.exec_driver_sql(f"explain query plan {text}").all())

        assert "jobs_state" in await journal.read(explain)

    run(look, tmp_path)


def test_a_journal_of_version_1_is_opened_by_every_later_headless(tmp_path: Path) -> None:
    """The vector was written by the first version: what it holds must stay readable for good."""
    with sqlite3.connect(tmp_path / FILE) as old:
        old.executescript((Path(__file__).parents[1] / "vectors" / "journal_1.sql").read_text())
    old.close()

    async def look(journal: Journal) -> None:
        (live,) = await journal.read(ledger.load_live)
        assert (live.spec.name, live.state, live.spec.source) == ("nightly", JobState.WAITING, b"\0pass\xff")
        assert (
            await journal.read(lambda connection: connection.execute(select(version.c.version)).scalar_one()) == VERSION
        )

    run(look, tmp_path)


def test_an_older_journal_is_migrated_step_by_step_and_once(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def write(journal: Journal) -> None:
        await journal.write(insert_name("before"))

    run(write, tmp_path, url)
    steps: list[str] = []

    def add_column(connection: Connection) -> None:
        steps.append("column")
        connection.exec_driver_sql("alter table names add column colour text")

    def fill_column(connection: Connection) -> None:
        steps.append("fill")
        connection.exec_driver_sql("update names set colour = 'green'")

    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, add_column, fill_column))
    monkeypatch.setattr(schema, "VERSION", VERSION + 2)

    async def look(journal: Journal) -> None:
        rows = await journal.read(lambda connection: connection.exec_driver_sql("select name, colour from names").all())
        assert [tuple(row) for row in rows] == [("before", "green")]

    for _ in range(2):
        run(look, tmp_path, url)
    assert steps == ["column", "fill"]


def test_a_migration_that_fails_leaves_the_journal_as_it_was(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(lambda journal: asyncio.sleep(0), tmp_path, url)

    def fail(connection: Connection) -> None:
        connection.exec_driver_sql("alter table names add column half text")
        connection.exec_driver_sql("select * from nothing_like_it")

    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, fail))
        patch.setattr(schema, "VERSION", VERSION + 1)
        refuse(tmp_path, "nothing_like_it", url)

    async def look(journal: Journal) -> None:
        columns = await journal.read(
            lambda connection: {item["name"] for item in inspect(connection).get_columns("names")}
        )
        assert "half" not in columns

    run(look, tmp_path, url)
