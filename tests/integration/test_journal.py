"""The journal on real databases: SQLite in a file, and a real PostgreSQL."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, select

from headless.errors import ParameterError, Skipped, Unavailable
from headless.job import Ending, JobState, Outcome, Overlap
from headless.server import ledger
from headless.server.journal import Journal
from headless.server.schema import JOURNAL, jobs
from journal_support import accept, build_record, end, insert_name, read_names, run
from postgres import Postgres, run_postgres
from raw_session import new_job_id


def test_what_was_written_is_there_for_the_next(tmp_path: Path, journal_url: str) -> None:
    async def write(journal: Journal) -> None:
        assert await journal.write(insert_name("a")) == "a"
        assert await journal.read(read_names) == ["a"]

    async def look(journal: Journal) -> None:
        assert await journal.read(read_names) == ["a"]

    run(write, tmp_path, journal_url)
    run(look, tmp_path, journal_url)


def test_many_callers_share_a_commit_and_each_gets_its_own_answer(tmp_path: Path, journal_url: str) -> None:
    async def write(journal: Journal) -> None:
        answers = await asyncio.gather(*(journal.write(insert_name(f"n{number:04}")) for number in range(1200)))
        assert answers == [f"n{number:04}" for number in range(1200)]
        assert await journal.read(read_names) == answers

    run(write, tmp_path, journal_url)


def test_one_that_fails_undoes_its_own_work_only(tmp_path: Path, journal_url: str) -> None:
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

    run(write, tmp_path, journal_url)


def test_closing_waits_for_what_was_asked(tmp_path: Path, journal_url: str) -> None:
    async def write(journal: Journal) -> None:
        for number in range(50):
            asyncio.ensure_future(journal.write(insert_name(f"n{number}")))  # noqa: RUF006  # nobody waits: the point
        await asyncio.sleep(0)

    async def look(journal: Journal) -> None:
        assert len(await journal.read(read_names)) == 50

    run(write, tmp_path, journal_url)
    run(look, tmp_path, journal_url)


def test_a_job_comes_back_as_it_was_written(tmp_path: Path, journal_url: str) -> None:
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

    run(write, tmp_path, journal_url)


@pytest.mark.parametrize("number", [50])
def test_skip_lets_exactly_one_in(tmp_path: Path, journal_url: str, number: int) -> None:
    async def write(journal: Journal) -> None:
        records = [build_record(overlap=Overlap.SKIP) for _ in range(number)]
        answers = await asyncio.gather(*(journal.write(accept(record)) for record in records), return_exceptions=True)
        accepted = [answer for answer in answers if isinstance(answer, ledger.Decision)]
        skipped = [str(answer) for answer in answers if isinstance(answer, Skipped)]
        assert (len(accepted), len(skipped)) == (1, number - 1)
        assert all(accepted[0].record.job_id in text for text in skipped)

    run(write, tmp_path, journal_url)


def test_wait_goes_behind_all_that_live_and_replace_cancels_them(tmp_path: Path, journal_url: str) -> None:
    async def write(journal: Journal) -> None:
        first = await journal.write(accept(build_record()))
        second = await journal.write(accept(build_record(overlap=Overlap.WAIT)))
        assert (second.record.state, second.in_the_way) == (JobState.WAITING, ())
        await journal.write(end(first.record))
        third = await journal.write(accept(build_record(overlap=Overlap.REPLACE)))
        assert (third.record.state, third.in_the_way) == (JobState.WAITING, (second.record.job_id,))
        replaced = await journal.read(lambda connection: ledger.find(connection, second.record.job_id))
        assert replaced is not None
        assert replaced.cancel == f"replaced by job {third.record.job_id} of anna"
        other = await journal.write(accept(build_record("another", overlap=Overlap.SKIP)))
        assert other.record.state is JobState.RUNNING

    run(write, tmp_path, journal_url)


def test_a_transaction_that_cannot_be_written_is_unavailable_and_the_next_may_succeed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headless.database.backends.LOCK_LIMIT_S", 0.2)

    async def write(journal: Journal) -> None:
        other = sqlite3.connect(tmp_path / JOURNAL.file, isolation_level=None)
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


def test_whatever_goes_wrong_in_a_commit_the_lock_is_not_kept_from_the_next(tmp_path: Path, journal_url: str) -> None:
    async def write(journal: Journal) -> None:
        await asyncio.gather(journal.read(read_names), journal.read(read_names))  # these have connections, too

        def fail(_: Connection) -> None:
            raise ValueError("of a driver, say")

        event.listen(journal._engine, "commit", fail, once=True)
        with pytest.raises(Unavailable, match="ValueError"):
            await journal.write(insert_name("lost"))
        await journal.write(insert_name("kept"))
        assert await journal.read(read_names) == ["kept"]

    run(write, tmp_path, journal_url)


def test_a_second_server_on_the_same_postgresql_is_refused(tmp_path: Path, postgres: Postgres) -> None:
    journal_url = postgres.create_database("two")

    async def open_another(_: Journal) -> None:
        with pytest.raises(ParameterError, match="in use by another server"):
            Journal.open(journal_url, str(tmp_path), wait_s=0.5)

    run(open_another, tmp_path, journal_url)
    run(open_another, tmp_path, journal_url)  # and it was given back


def test_listing_goes_by_who_asks_and_what_is_wanted(tmp_path: Path, journal_url: str) -> None:
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

    run(write, tmp_path, journal_url)


def test_forgetting_keeps_the_last_of_each_name_and_all_that_live(tmp_path: Path, journal_url: str) -> None:
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

    run(write, tmp_path, journal_url)


def test_overlap_is_decided_by_an_index_that_leads_to_the_live_jobs(tmp_path: Path) -> None:
    async def look(journal: Journal) -> None:
        def explain(connection: Connection) -> str:
            query = select(jobs.c.job_id).where((jobs.c.name == "x") & jobs.c.state.in_(["waiting", "running"]))
            text = str(query.compile(connection, compile_kwargs={"literal_binds": True}))
            return str(connection.exec_driver_sql(f"explain query plan {text}").all())

        assert "jobs_state" in await journal.read(explain)

    run(look, tmp_path)
