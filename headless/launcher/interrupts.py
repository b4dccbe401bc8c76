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
    """What there is to say when a signal comes.

    Attributes:
        truth: about the job, as one clause.
    """

    def __init__(self) -> None:
        self.truth = "nothing was started"

    def handle(self, number: int, _: FrameType | None) -> None:
        """The signal handler."""
        raise Interrupted(number, f"ended by {signal.Signals(number).name}: {self.truth}")


@contextmanager
def catch_interrupts() -> Iterator[Interrupts]:
    """Turn the signals into :class:`Interrupted` while the block runs. A signal that is ignored stays so (nohup)."""
    interrupts = Interrupts()
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
