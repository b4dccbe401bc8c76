"""A journal with a long past: its rows are made directly, and no job ever ran for them."""

import os
import sys
import time
from pathlib import Path

import sqlalchemy

from headless.job import Ending, JobKind, JobSpec, JobState
from headless.launcher.source import make_job_id
from headless.server.records import Record, build_row
from headless.server.schema import jobs

__all__ = ["main"]

SECONDS_EACH = 20.0  # between two jobs of the past: 100,000 of them are the last three weeks
TOOK_S = 5.0
NAMES = 50
BATCH = 5000


def main() -> int:
    """A program: ``STATE-FOLDER COUNT``. Adds so many ended jobs to the journal of a server that does not run."""
    state, count = sys.argv[1:3]
    engine = sqlalchemy.create_engine(f"sqlite:///{Path(state, 'journal.db')}")
    first_at = time.time() - int(count) * SECONDS_EACH
    with engine.begin() as connection:
        for start in range(0, int(count), BATCH):
            numbers = range(start, min(start + BATCH, int(count)))
            connection.execute(jobs.insert(), [_build_row(number, first_at) for number in numbers])
    engine.dispose()
    return 0


def _build_row(number: int, first_at: float) -> dict[str, object]:
    """A row as the server writes it at the start, with what it adds at the end."""
    at = first_at + number * SECONDS_EACH
    has_failed = number % 50 == 0
    spec = JobSpec(
        job_id=make_job_id(int(at * 1000), os.urandom(10)),
        kind=JobKind.CODE,
        name=f"nightly-{number % NAMES}",
        source=b"print('what a job of some lines looks like')\n" * 10,
        arguments=("--host", f"node{number % 200}"),
    )
    record = Record(
        spec=spec,
        source_sha256="0" * 64,
        user="bench",
        run_as="",
        origin="127.0.0.1:40000",
        state=JobState.FAILED if has_failed else JobState.ENDED,
        boot_id="00000000-0000-0000-0000-000000000000",
        accepted_at=at,
        accepted_up=at - first_at,
        started_at=at,
    )
    return {
        **build_row(record),
        "ended_at": at + TOOK_S,
        "ending": Ending.STATUS,
        "code": int(has_failed),
        "duration_s": TOOK_S,
    }


if __name__ == "__main__":
    sys.exit(main())
