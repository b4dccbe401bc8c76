"""The states of a grid's jobs, as JAliEn names them. Values only."""

import enum

__all__ = ["FAILED", "FINAL", "LIVE", "RUNNING", "WAITING", "GridJobState", "parse_states"]


class GridJobState(enum.StrEnum):
    """Where a job is. The value is what ``ps`` tells, ``short`` the letters that it prints."""

    WAITING = "WAITING"  # in the queue
    SPLIT = "SPLIT"  # a master job: its parts do the work
    ASSIGNED = "ASSIGNED"  # about to be started
    STARTED = "STARTED"  # its input is fetched
    RUNNING = "RUNNING"  # its program runs
    SAVING = "SAVING"  # its output is stored
    DONE = "DONE"  # the program has ended well, and all of its output is registered
    FAILED = "FAILED"  # a master job of which not all parts are done
    KILLED = "KILLED"  # ended, or never begun, because somebody said so
    ZOMBIE = "ZOMBIE"  # lost: nothing is known but that it runs no more
    ERROR_A = "ERROR_A"  # it could not be started
    ERROR_E = "ERROR_E"  # the program has failed
    ERROR_EW = "ERROR_EW"  # its time to live was over
    ERROR_IB = "ERROR_IB"  # its input could not be fetched
    ERROR_SV = "ERROR_SV"  # its output could not be stored
    ERROR_V = "ERROR_V"  # the validation has failed

    @property
    def short(self) -> str:
        """As ``ps`` prints it."""
        return _SHORT[self]

    @property
    def is_final(self) -> bool:
        """Whether only a resubmit can follow."""
        return self in FINAL


_SHORT = {
    GridJobState.WAITING: "W",
    GridJobState.SPLIT: "S",
    GridJobState.ASSIGNED: "ASG",
    GridJobState.STARTED: "ST",
    GridJobState.RUNNING: "R",
    GridJobState.SAVING: "SV",
    GridJobState.DONE: "D",
    GridJobState.FAILED: "FF",
    GridJobState.KILLED: "K",
    GridJobState.ZOMBIE: "Z",
    GridJobState.ERROR_A: "EA",
    GridJobState.ERROR_E: "EE",
    GridJobState.ERROR_EW: "EEW",
    GridJobState.ERROR_IB: "EIB",
    GridJobState.ERROR_SV: "ESV",
    GridJobState.ERROR_V: "EV",
}
RUNNING = (GridJobState.ASSIGNED, GridJobState.STARTED, GridJobState.RUNNING, GridJobState.SAVING)
"""In the hands of the engine, or about to be; in the order in which a job goes through them."""

WAITING = (GridJobState.WAITING, GridJobState.SPLIT)
LIVE = (*WAITING, *RUNNING)
FINAL = tuple(state for state in GridJobState if state not in LIVE)
FAILED = tuple(state for state in FINAL if state not in (GridJobState.DONE, GridJobState.KILLED))
_GROUPS = {"a": tuple(GridJobState), "r": RUNNING, "f": FAILED, "d": (GridJobState.DONE,), "s": WAITING}


def parse_states(text: str) -> tuple[GridJobState, ...]:
    """Read what ``ps -f`` takes: names of states, long or short, and ``a r f d s`` for groups of them; by commas.

    Raises:
        ValueError: there is no such state; the argument is its name.
    """
    found: list[GridJobState] = []
    for word in filter(None, text.split(",")):
        if word in _GROUPS:
            found += _GROUPS[word]
            continue
        matches = [state for state in GridJobState if word.upper() in (state.value, state.short)]
        if not matches:
            raise ValueError(word)
        found += matches
    return tuple(dict.fromkeys(found))
