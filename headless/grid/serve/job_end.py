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
        states: those that it went through, in order.
    """

    state: GridJobState
    reason: str
    states: tuple[GridJobState, ...]


def read_end(outcome: Outcome, result: tuple[bool, Any]) -> End:
    """Read a job's end from its outcome and from what ``payload.py`` has handed over.

    The job's own word counts only where its process ended by itself; without that word nothing is well.
    """
    word = result[1] if result[0] and isinstance(result[1], dict) else {}
    states = tuple(state for _, state in word.get("states", ()) if state in RUNNING)
    passed = tuple(map(GridJobState, states))
    if outcome.ending is not Ending.STATUS:
        return End(_STATES[outcome.ending], outcome.reason[:MAX_REASON], passed)
    state = word.get("state")
    if state not in FINAL or (state == GridJobState.DONE) != (outcome.code == 0):
        reason = outcome.reason or "the job has left no word of its end"
        return End(GridJobState.ERROR_E, f"{reason} (exit status {outcome.code})"[:MAX_REASON], passed)
    return End(GridJobState(state), str(word.get("reason", ""))[:MAX_REASON], passed)


def read_step(progress: tuple[float, float] | None) -> GridJobState:
    """The state that a running job's progress stands for, as ``payload.py`` tells it."""
    number = 0 if progress is None else int(progress[0])
    return RUNNING[number] if 0 <= number < len(RUNNING) else RUNNING[0]
