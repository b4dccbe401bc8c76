"""Signals that end the launcher: the job goes on, the line says which, and the launcher dies of the signal."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Interrupted", "Interrupts", "catch_interrupts"]

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


class Interrupted(BaseException):
    """A signal has come. No ``Exception``: nothing below the command line may take it for an error of its own."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.number = number


class Interrupts:
    """What is known when a signal comes: whether the job may have been started."""

    def __init__(self, job: str) -> None:
        self.is_started = False
        self._job = job

    def handle(self, number: int, _: FrameType | None) -> None:
        """The signal handler."""
        name = signal.Signals(number).name
        what = f"{self._job} goes on" if self.is_started else "nothing was started"
        raise Interrupted(number, f"ended by {name}: {what}")


@contextmanager
def catch_interrupts(job: str) -> Iterator[Interrupts]:
    """Turn the signals into :class:`Interrupted` while the block runs. A signal that is ignored stays so (nohup)."""
    interrupts = Interrupts(job)
    numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, interrupts.handle)
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
