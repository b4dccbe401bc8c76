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
    last = _read_last(word.get("states"))
    if outcome.ending is not Ending.STATUS:
        return End(_STATES[outcome.ending], _clean(_describe(outcome)), last)
    state = word.get("state")
    if not isinstance(state, str) or state not in FINAL or (state == GridJobState.DONE) != (outcome.code == 0):
        return End(GridJobState.ERROR_E, _clean(f"{_describe(outcome)}: the job has left no word of its end"), last)
    return End(GridJobState(state), _clean(str(word.get("reason", ""))), last)


def _read_last(steps: object) -> GridJobState:
    """The last of the states that a job says it went through. Its program may have written anything."""
    pairs = [step for step in steps if isinstance(step, list) and len(step) == 2] if isinstance(steps, list) else []
    passed = [GridJobState(state) for _, state in pairs if isinstance(state, str) and state in RUNNING]
    return passed[-1] if passed else RUNNING[0]


def _clean(text: str) -> str:
    """As any database takes it: names of files need not be UTF-8, and PostgreSQL knows no NUL."""
    return text.encode(errors="replace").decode().replace("\0", "\ufffd")[:MAX_REASON]


def _describe(outcome: Outcome) -> str:
    if outcome.reason:
        return outcome.reason
    return f"ended by signal {outcome.code}" if outcome.ending is Ending.SIGNAL else f"exit status {outcome.code}"


def read_step(progress: tuple[float, float] | None) -> GridJobState:
    """The state that a running job's progress stands for, as ``payload.py`` tells it."""
    number = 0 if progress is None else progress[0]
    return RUNNING[int(number)] if 0 <= number < len(RUNNING) else RUNNING[0]  # no number is within no bounds
