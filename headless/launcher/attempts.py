"""Trying again: how long to pause before the next attempt, and when to give up."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from headless.errors import ConnectionFailed, Unavailable
from headless.launcher.opening import is_worth_another_try
from headless.launcher.talk import Talk

__all__ = ["GIVE_UP_S", "Attempts", "choose_pause"]

_T = TypeVar("_T")

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
GIVE_UP_S = 0.25  # an attempt that has less time than this would only blur the reason of the one before


def choose_pause(failures: int, left_s: float, draw: float) -> float | None:
    """How long to pause after a failure.

    The limit of the pauses doubles, and each pause is drawn from all of it: a thousand launchers that have lost one
    server must not come back in step (Amazon's "Exponential Backoff and Jitter" calls this full jitter).

    Args:
        failures: how many attempts have failed before this one.
        left_s: seconds until nothing is to be tried any more.
        draw: random, from 0 to below 1.

    Returns:
        Seconds; after them there is time enough for one more attempt. ``None`` to give up.
    """
    if left_s < GIVE_UP_S:
        return None
    limit_s = min(FIRST_PAUSE_S * 2.0 ** min(failures, 10), LONGEST_PAUSE_S)
    # Who would sleep past the end tries once more shortly before it, and not all in the same instant.
    return min(draw * limit_s, (left_s - GIVE_UP_S) * (1 + draw) / 2)


class Attempts:
    """The failures since all was well, and the pauses that follow from their number."""

    def __init__(self, talk: Talk) -> None:
        """Args:
        talk: is told of every failure.
        """
        self._talk = talk
        self._failures = 0
        self._told = ""  # the server's own reason for not starting anything

    def calm(self) -> None:
        """All is well: the next pause is a short one again."""
        self._failures = 0

    def pause(self, error: ConnectionFailed, deadline: float) -> bool:
        """Sleep after a failure; False, at once, if there is no use or no time for another attempt.

        Args:
            error: what has failed.
            deadline: on the monotonic clock, in seconds.
        """
        if not is_worth_another_try(error):
            return False
        if isinstance(error, Unavailable):
            self._told = str(error)
        pause_s = choose_pause(self._failures, deadline - time.monotonic(), random.random())  # noqa: S311  # no secret
        if pause_s is None:
            return False
        self._failures += 1
        self._talk.info(f"{error}: trying again")
        time.sleep(pause_s)
        return True

    def repeat(self, attempt: Callable[[], _T], error: ConnectionFailed, deadline: float) -> _T:
        """Make attempts, after a first one that has failed with ``error``, until one succeeds.

        Raises:
            ConnectionFailed: of the last one, explained.
        """
        while self.pause(error, deadline):
            try:
                return attempt()
            except ConnectionFailed as exc:
                error = exc
        raise self.explain(error)

    def explain(self, error: ConnectionFailed) -> ConnectionFailed:
        """The error to give up with: with what the server itself has said before, if the last attempt heard nothing."""
        if not self._told or isinstance(error, Unavailable):
            return error
        return type(error)(f"{error}; before that: {self._told}")
