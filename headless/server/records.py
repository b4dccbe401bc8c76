"""A job as the journal has it: the value, its row, and the clock that its deadlines go by."""

import json
import sys
import time
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row

from headless.execution.machine import read_boot_id
from headless.job import Ending, JobKind, JobSpec, JobState, Outcome, Overlap

if sys.platform == "win32":
    raise ImportError("the server runs on POSIX systems only: give --service HOST:PORT of one")

__all__ = ["Clock", "Record", "build_row", "parse_row", "read_clock"]


@dataclass(frozen=True)
class Clock:
    """What time it is.

    Attributes:
        at: seconds since 1970, for people; it decides nothing.
        up: seconds of CLOCK_BOOTTIME, which nobody can set, and which stands still in no suspend.
        boot_id: of the machine's present run, which ``up`` belongs to.
    """

    at: float
    up: float
    boot_id: str


@dataclass(frozen=True, kw_only=True)
class Record:
    """A job as it was accepted, and what has become of it.

    Attributes:
        seq: the order of acceptance; 0 before.
        spec: what was asked for, and what the module and the server have said to it.
        source_sha256: of the source, or of the module's file when it was accepted; hexadecimal.
        user: who asked.
        run_as: the OS user that it runs as; empty for the server's own.
        origin: where from.
        state: ``WAITING``, ``RUNNING`` (handed to the engine, or about to be) or a final one.
        boot_id: of the machine when the state was written.
        accepted_at, accepted_up: when, on the two clocks of :class:`Clock`.
        started_at, ended_at: seconds since 1970; ``None`` if that has not been.
        cancel: who wants it to end, and why; empty for nobody.
        outcome: with a final state.
    """

    seq: int = 0
    spec: JobSpec
    source_sha256: str
    user: str
    run_as: str
    origin: str
    state: JobState
    boot_id: str
    accepted_at: float
    accepted_up: float
    started_at: float | None = None
    ended_at: float | None = None
    cancel: str = ""
    outcome: Outcome | None = None

    @property
    def job_id(self) -> str:
        """The job's id."""
        return self.spec.job_id

    def waited_s(self, clock: Clock) -> float:
        """Seconds since it was accepted; after the machine was down, as near as the wall clock tells."""
        if clock.boot_id == self.boot_id:
            return clock.up - self.accepted_up
        return max(0.0, clock.at - self.accepted_at)

    def without_source(self) -> "Record":
        """The same without what costs memory and is in the journal anyway."""
        return replace(self, spec=replace(self.spec, source=b"", arguments=()))


def read_clock() -> Clock:
    """Look at the clocks."""
    return Clock(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME), read_boot_id())


def build_row(record: Record) -> dict[str, Any]:
    """The columns of a new row (``schema.jobs``)."""
    spec = record.spec
    return {
        "job_id": spec.job_id,
        "name": spec.name,
        "kind": spec.kind,
        "module": spec.module,
        "source": spec.source,
        "source_sha256": record.source_sha256,
        "arguments": json.dumps(list(spec.arguments)),
        "stdin": spec.stdin,
        "user": record.user,
        "run_as": record.run_as,
        "origin": record.origin,
        "overlap": spec.overlap,
        "wait_for_s": spec.wait_for_s,
        "start_within_s": spec.start_within_s,
        "max_runtime_s": spec.max_runtime_s,
        "grace_s": spec.grace_s,
        "state": record.state,
        "boot_id": record.boot_id,
        "accepted_at": record.accepted_at,
        "accepted_up": record.accepted_up,
        "started_at": record.started_at,
        "cancel": record.cancel,
        "ending": "",
        "reason": "",
        "written": "{}",
        "dropped": "{}",
        "staging": json.dumps({"inputs": list(spec.inputs), "outputs": list(spec.outputs)}),
    }


def parse_row(row: Row[Any]) -> Record:
    """Read a row of the jobs; the source may be left out of the query."""
    values = row._mapping
    staging = json.loads(values["staging"])
    spec = JobSpec(
        job_id=values["job_id"],
        kind=JobKind(values["kind"]),
        name=values["name"],
        module=values["module"],
        source=values.get("source", b""),
        arguments=tuple(json.loads(values["arguments"])),
        stdin=values["stdin"],
        overlap=Overlap(values["overlap"]),
        wait_for_s=values["wait_for_s"],
        start_within_s=values["start_within_s"],
        max_runtime_s=values["max_runtime_s"],
        grace_s=values["grace_s"],
        inputs=tuple(staging.get("inputs", ())),
        outputs=tuple(staging.get("outputs", ())),
    )
    plain = ("seq", "source_sha256", "user", "run_as", "origin", "boot_id", "accepted_at", "accepted_up")
    return Record(
        spec=spec,
        state=JobState(values["state"]),
        started_at=values["started_at"],
        ended_at=values["ended_at"],
        cancel=values["cancel"],
        outcome=_parse_outcome(values) if values["ending"] else None,
        **{name: values[name] for name in plain},
    )


def _parse_outcome(values: Any) -> Outcome:
    return Outcome(
        ending=Ending(values["ending"]),
        code=values["code"],
        reason=values["reason"],
        duration_s=values["duration_s"] or 0.0,
        written=json.loads(values["written"]),
        dropped=json.loads(values["dropped"]),
    )
