"""What the engine says of a job's end, as a state of the grid. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headless.grid.job_states import FINAL, RUNNING, GridJobState
from headless.job import Ending, Outcome

__all__ = ["End", "read_end", "read_step"]

_STATES: Mapping[Ending, GridJobState] = {
    Ending.EXCEPTION: GridJobState.ERROR_E,
    Ending.SIGNAL: GridJobState.ERROR_E,
    Ending.NOT_STARTED: GridJobState.ERROR_A,
    Ending.EXPIRED: GridJobState.ERROR_A,
    Ending.LIMIT: GridJobState.ERROR_EW,
    Ending.CANCELLED: GridJobState.KILLED,
    Ending.LOST: GridJobState.ZOMBIE,
}
MAX_REASON = 4000  # characters


@dataclass(frozen=True)
class End:
    """How a job has ended.

    Attributes:
        state: a final one.
        reason: one line; may be empty.
        last: of the states before, the one that it came to.
    """

    state: GridJobState
    reason: str
    last: GridJobState


def read_end(outcome: Outcome, result: tuple[bool, Any]) -> End:
    """Read a job's end from its outcome and from what ``payload.py`` has handed over.

    The job's own word counts only where its process ended by itself; without that word nothing is well.
    """
    word = result[1] if result[0] and isinstance(result[1], dict) else {}
    passed = [GridJobState(state) for _, state in word.get("states", ()) if state in RUNNING]
    last = passed[-1] if passed else RUNNING[0]
    if outcome.ending is not Ending.STATUS:
        return End(_STATES[outcome.ending], _describe(outcome)[:MAX_REASON], last)
    state = word.get("state")
    if state not in FINAL or (state == GridJobState.DONE) != (outcome.code == 0):
        return End(
            GridJobState.ERROR_E, f"{_describe(outcome)}: the job has left no word of its end"[:MAX_REASON], last
        )
    return End(GridJobState(state), str(word.get("reason", ""))[:MAX_REASON], last)


def _describe(outcome: Outcome) -> str:
    if outcome.reason:
        return outcome.reason
    return f"ended by signal {outcome.code}" if outcome.ending is Ending.SIGNAL else f"exit status {outcome.code}"


def read_step(progress: tuple[float, float] | None) -> GridJobState:
    """The state that a running job's progress stands for, as ``payload.py`` tells it."""
    number = 0 if progress is None else int(progress[0])
    return RUNNING[number] if 0 <= number < len(RUNNING) else RUNNING[0]
