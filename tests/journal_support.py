"""What the tests of the journal share: one that is open, and what they write to it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from sqlalchemy import Connection, select

from headless.job import Ending, JobKind, JobSpec, JobState, Outcome, Overlap
from headless.server import ledger
from headless.server.journal import Journal
from headless.server.records import Record
from headless.server.schema import names
from raw_session import new_job_id

Test = Callable[[Journal], Awaitable[None]]


def run(test: Test, state: Path, journal_url: str = "") -> None:
    """Run a test on an open journal."""

    async def main() -> None:
        journal = Journal.open(journal_url, str(state))
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
