"""Delivering: what waits in the spool first, then what is new; what cannot be sent is kept for the next time."""

import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from headless.errors import ParameterError, Refused, Unavailable
from headless.inventory.send import Collector, NotTaken, Wait, send

if sys.platform == "win32":
    raise ImportError("reports are made on POSIX systems only")

from headless.inventory.outbox import Outbox, name_owner

__all__ = ["Delivery", "deliver", "keep"]

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


def deliver(delivery: Delivery, data: bytes | None) -> int:
    """Send what waits, and then this report.

    Args:
        data: a new report; ``None`` to send but what waits.

    Returns:
        How many of those that waited were left in the spool, each with a warning.

    Raises:
        Unavailable: the collector was away or busy for too long.
        Refused, ParameterError: it does not let us, does not take the report, or something that was given is wrong.
            In all cases the message says what became of the new report.
    """
    try:
        if delivery.outbox is None:
            _send_new(delivery, data)
            return 0
        return _send_all(delivery, delivery.outbox, data)
    except NotTaken as exc:
        raise ParameterError(f"not sent, and not kept: {exc}") from exc
    except (Wait, Refused, ParameterError) as exc:
        kind = Unavailable if isinstance(exc, Wait) else type(exc)
        raise kind(f"not sent: {exc}{keep(delivery, data)}") from exc


def _send_all(delivery: Delivery, outbox: Outbox, data: bytes | None) -> int:
    with outbox.turn(delivery.retry_for_s) as is_ours:
        if not is_ours:
            raise Wait("another run is sending at this moment")
        if outbox.wait_s > delivery.retry_for_s:
            raise Wait(f"the collector has asked not to be asked again for {outbox.wait_s:.0f} s")
        left = _send_waiting(delivery, outbox)
        _send_new(delivery, data)
        outbox.ask_again_after(None)
        return left


def _send_new(delivery: Delivery, data: bytes | None) -> None:
    if data is not None:
        _send_patiently(delivery, data)


def _send_waiting(delivery: Delivery, outbox: Outbox) -> int:
    """Send what waits; return how many could not be read, or not be taken out."""
    left = 0
    for name in outbox.names():
        try:
            if (data := outbox.read(name)) is None:
                continue
            _send_one(delivery, outbox, name, data)
        except (OSError, ValueError) as exc:
            owner = name_owner(f"{outbox.folder}/{name}") or "another user"
            reason = f"{exc.strerror}: it is of {owner}" if isinstance(exc, PermissionError) else str(exc)
            delivery.warn(f"{outbox.folder}/{name} was left there: {reason}")
            left += 1
    return left


def _send_one(delivery: Delivery, outbox: Outbox, name: str, data: bytes) -> None:
    try:
        _send_patiently(delivery, data)
    except NotTaken as exc:
        delivery.warn(f"{exc}: it was taken out of the spool, and is {outbox.folder}/{outbox.set_aside(name)}")
    else:
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


def keep(delivery: Delivery, data: bytes | None) -> str:
    """Keep a report if there is a place for it; return a clause that says what became of it."""
    outbox = delivery.outbox
    if outbox is None:
        return "; there is no spool to keep it in: see --spool"
    if data is None:
        return f"; what waits is left in {outbox.folder}"
    try:
        for name in outbox.put(data):
            delivery.warn(f"the spool is full: {name} was taken out of it, and was never sent")
    except OSError as exc:
        return f"; and it could not be kept in {outbox.folder}: {exc.strerror}"
    return f"; kept in {outbox.folder}, and sent the next time"
