"""Delivering: what waits in the spool first, then what is new; what cannot be sent is kept for the next time."""

import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from headless.errors import ConnectionFailed, HeadlessError, ParameterError, Refused
from headless.inventory.send import Collector, NotTaken, Wait, send

if sys.platform == "win32":
    raise ImportError("reports are made on POSIX systems only")

from headless.inventory.outbox import Outbox

__all__ = ["Delivery", "deliver"]

FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 60.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """How to deliver.

    Attributes:
        collector: to whom.
        outbox: where to keep what could not be sent; ``None`` if there is no place for it.
        retry_for_s: how long to try again, in seconds.
        warn: is called with a line on what went wrong with a report that is not the caller's own.
    """

    collector: Collector
    outbox: Outbox | None
    retry_for_s: float
    warn: Callable[[str], None]


def deliver(delivery: Delivery, data: bytes | None) -> None:
    """Send what waits, and then this report.

    Args:
        data: a new report; ``None`` to send but what waits.

    Raises:
        Wait, Refused, ParameterError: not all was sent; the message says whether the new report is kept.
    """
    outbox = delivery.outbox
    if outbox is None:
        if data is not None:
            _send_patiently(delivery, data)
        return
    with outbox.turn(delivery.retry_for_s) as is_ours:
        try:
            if not is_ours:
                raise Wait("another run is sending at this moment")
            if outbox.wait_s > delivery.retry_for_s:
                raise Wait(f"the collector has asked not to be asked again for {outbox.wait_s:.0f} s")
            _send_waiting(delivery, outbox)
            if data is not None:
                _send_patiently(delivery, data)
        except NotTaken:
            raise
        except HeadlessError as exc:
            raise _keep(delivery, outbox, data, exc) from exc
        outbox.ask_again_after(None)


def _send_waiting(delivery: Delivery, outbox: Outbox) -> None:
    for name in outbox.names():
        data = outbox.read(name)
        if data is None:
            delivery.warn(f"{outbox.folder}/{name} is no report, and was left there")
            continue
        try:
            _send_patiently(delivery, data)
        except NotTaken as exc:
            delivery.warn(f"{name} was taken out of the spool: {exc}")
        outbox.remove(name)


def _send_patiently(delivery: Delivery, data: bytes) -> None:
    """Send, and try again for a while, after twice as long each time, and not before the collector wants it."""
    deadline = time.monotonic() + delivery.retry_for_s
    pause_s = FIRST_PAUSE_S
    if delivery.outbox is not None:
        time.sleep(delivery.outbox.wait_s)
    while True:
        try:
            return send(delivery.collector, data)
        except Wait as exc:
            wanted_s = pause_s * random.uniform(0.5, 1.0) if exc.after_s is None else exc.after_s  # noqa: S311
            if time.monotonic() + wanted_s > deadline:
                if delivery.outbox is not None:
                    delivery.outbox.ask_again_after(exc.after_s)
                raise
        time.sleep(wanted_s)
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)


def _keep(delivery: Delivery, outbox: Outbox, data: bytes | None, error: HeadlessError) -> HeadlessError:
    """The error, with a word on what became of the report."""
    try:
        if data is not None:
            for name in outbox.put(data):
                delivery.warn(f"the spool is full: {name} was taken out of it, and was never sent")
        kept = f"kept in {outbox.folder}, and sent the next time"
    except OSError as exc:
        kept = f"and it could not be kept in {outbox.folder}: {exc.strerror}"
    kind = next(kind for kind in (Refused, ParameterError, ConnectionFailed) if isinstance(error, kind))
    return kind(f"not sent: {error}; {kept}")
