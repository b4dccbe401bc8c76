"""What the worker has done, and whether it goes on: for whoever looks after the collector."""

import time
from collections import Counter
from dataclasses import dataclass, field

__all__ = ["FATES", "Tally"]

FATES = ("stored", "held", "refused", "replayed")
"""What becomes of a report that comes; ``replayed``: it was there already, and has changed nothing."""
STUCK_S = 300.0
"""Without a step: a database is given up after 40 s, and the largest report takes some seconds."""


@dataclass
class Tally:
    """Counted by the worker since it was made.

    Attributes:
        fates: how many reports, by what became of them as they came; what is processed once more is not counted again.
        last_stored: when a report was last stored, seconds since the epoch; 0 if none was.
        is_waiting: what it needs is away: the database, or room for what it keeps.
        is_failing: its last turn has ended with a bug.
    """

    fates: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(FATES, 0)))
    last_stored: float = 0.0
    is_waiting: bool = False
    is_failing: bool = False
    _step: float = field(default_factory=time.monotonic)

    def note_step(self) -> None:
        """It goes on."""
        self._step = time.monotonic()

    def explain(self) -> str:
        """Why nothing is stored; empty if what comes is. No words of the database's: strangers may read it."""
        if self.is_failing:
            return "it fails, the log says how"
        if self.is_waiting:
            return "it waits, the log says what for"
        quiet_s = time.monotonic() - self._step
        return f"it has not gone on for {quiet_s:.0f} s" if quiet_s > STUCK_S else ""
