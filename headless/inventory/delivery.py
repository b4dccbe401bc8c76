"""Delivering: what waits in the spool first, then what is new; what cannot be sent is kept for the next time.

One report that a collector fails on holds up no other: it is passed, and tried again later and later."""

import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from headless.errors import ParameterError, Refused, Unavailable
from headless.inventory.send import Collector, NotTaken, Wait, send

if sys.platform == "win32":
    raise ImportError("reports are made on POSIX systems only")

from headless.inventory.outbox import Outbox, name_owner

__all__ = ["Delivery", "deliver", "keep"]

FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 60.0
FAILURES_LIMIT = 3  # one after the other: then it is the collector, and not what it is sent


@dataclass(frozen=True, slots=True)
class Delivery:
    """How to deliver.

    Attributes:
        collector: to whom.
        outbox: where to keep what could not be sent; ``None`` if there is no place for it.
        retry_for_s: how long to try again, in seconds.
        warn: is called with a line on what went wrong with a report that is not the caller's own.
        tell: is called with a line for who sits and waits, once it is to be tried again.
    """

    collector: Collector
    outbox: Outbox | None
    retry_for_s: float
    warn: Callable[[str], None]
    tell: Callable[[str], None] = lambda line: None


@dataclass(slots=True)
class Tally:
    """What became of those that waited.

    Attributes:
        sent, refused: so many were taken; were refused for good, and put aside.
        failed: the collector failed on these, and was there.
    """

    sent: int = 0
    refused: int = 0
    failed: list[str] = field(default_factory=list)


def deliver(delivery: Delivery, data: bytes | None) -> int:
    """Send what waits, and then this report.

    Args:
        data: a new report; ``None`` to send but what waits.

    Returns:
        How many of those that waited were not sent, each with a warning: they are left in the spool, or put aside.

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
        raise ParameterError(f"not sent: {exc}{_put_aside(delivery, data, str(exc))}") from exc
    except (Wait, Refused, ParameterError) as exc:
        kind = Unavailable if isinstance(exc, Wait) else type(exc)
        raise kind(f"not sent: {exc}{keep(delivery, data, is_promised=kind is not ParameterError)}") from exc


def _send_all(delivery: Delivery, outbox: Outbox, data: bytes | None) -> int:
    with outbox.turn(delivery.retry_for_s) as is_ours:
        if not is_ours:
            raise Wait("another run is sending at this moment")
        if outbox.wait_s > delivery.retry_for_s:
            raise Wait(f"the collector has asked not to be asked again for {outbox.wait_s:.0f} s")
        waiting = set(outbox.names())
        tally = _send_waiting(delivery, outbox, is_all=data is None)
        left = len(waiting.intersection(outbox.names())) + tally.refused
        _send_new(delivery, data)
        outbox.ask_again_after(None)
        return left


def _send_new(delivery: Delivery, data: bytes | None) -> None:
    if data is not None:
        _send_patiently(delivery, data)


def _send_waiting(delivery: Delivery, outbox: Outbox, *, is_all: bool) -> Tally:
    """Send what waits; if that is all, again for a while where the collector fails on whatever it gets."""
    deadline = time.monotonic() + delivery.retry_for_s
    pause_s = FIRST_PAUSE_S
    tally = Tally()
    _send_each(delivery, outbox, outbox.find_due(), tally)
    while is_all and tally.failed and not tally.sent and time.monotonic() + pause_s <= deadline:
        time.sleep(pause_s)
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        again, tally.failed = tally.failed, []
        _send_each(delivery, outbox, again, tally)
    for name in tally.failed:
        delivery.warn(f"{outbox.folder}/{name} was left there, and is tried again in {outbox.put_off(name):.0f} s")
    return tally


def _send_each(delivery: Delivery, outbox: Outbox, names: list[str], tally: Tally) -> None:
    """Send these one after the other; one that the collector fails on is passed by the others."""
    in_a_row = 0
    for name in names:
        try:
            if (data := outbox.read(name)) is None:
                continue
            _send_one(delivery, outbox, name, data, tally)
            in_a_row = 0
        except Wait as exc:
            if not exc.may_be_ours:
                raise
            delivery.warn(str(exc))
            tally.failed.append(name)
            in_a_row += 1
            if in_a_row == FAILURES_LIMIT:
                return
        except (OSError, ValueError) as exc:
            owner = name_owner(f"{outbox.folder}/{name}") or "another user"
            reason = f"{exc.strerror}: it is of {owner}" if isinstance(exc, PermissionError) else str(exc)
            delivery.warn(f"{outbox.folder}/{name} was left there: {reason}")


def _send_one(delivery: Delivery, outbox: Outbox, name: str, data: bytes, tally: Tally) -> None:
    try:
        _send_patiently(delivery, data, is_alone=False)
    except NotTaken as exc:
        delivery.warn(f"{exc}: it was taken out of the spool, and is {outbox.set_aside(name, str(exc))}")
        tally.refused += 1
    else:
        outbox.remove(name)
        tally.sent += 1


def _send_patiently(delivery: Delivery, data: bytes, *, is_alone: bool = True) -> None:
    """Send, and try again for a while, after twice as long each time, and not before the collector wants it.

    Args:
        is_alone: try it again too when the fault may be the report's own; others wait behind it otherwise.
    """
    deadline = time.monotonic() + delivery.retry_for_s
    pause_s, is_told = FIRST_PAUSE_S, False
    if delivery.outbox is not None:
        time.sleep(delivery.outbox.wait_s)
    while True:
        try:
            return send(delivery.collector, data)
        except Wait as exc:
            if exc.is_lasting or (exc.may_be_ours and not is_alone):
                raise
            wanted_s = pause_s * random.uniform(0.5, 1.0) if exc.after_s is None else exc.after_s  # noqa: S311
            if time.monotonic() + wanted_s > deadline:
                if delivery.outbox is not None:
                    delivery.outbox.ask_again_after(exc.after_s)
                raise
            if not is_told:
                delivery.tell(f"{exc}: trying again for up to {delivery.retry_for_s:.0f} s")
                is_told = True
        time.sleep(wanted_s)
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)


def keep(delivery: Delivery, data: bytes | None, *, is_promised: bool = True) -> str:
    """Keep a report if there is a place for it; return a clause that says what became of it.

    Args:
        is_promised: the next run sends it, if nothing else is given to it.
    """
    outbox = delivery.outbox
    if outbox is None:
        return "; there is no spool to keep it in: see --spool"
    if data is None:
        return f"; what waits is left in {outbox.folder}{_count_waiting(outbox)}"
    try:
        _put(delivery, outbox, data)
    except OSError as exc:
        return f"; and it could not be kept in {outbox.folder}: {exc.strerror}"
    promise = f", and sent by the next run {'to this URL' if outbox.url else 'with this spool'}" if is_promised else ""
    return f"; kept in {outbox.folder}{promise}{_count_waiting(outbox)}"


def _count_waiting(outbox: Outbox) -> str:
    """A clause on how many wait, if that is not one alone: somebody may have to look why."""
    try:
        times = [os.lstat(os.path.join(outbox.folder, name)).st_mtime for name in outbox.names()]
    except OSError:
        return ""  # one has gone meanwhile
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(min(times, default=0)))
    return f": {len(times)} wait there, the first since {since}" if len(times) > 1 else ""


def _put_aside(delivery: Delivery, data: bytes | None, reason: str) -> str:
    """Keep a new report that is refused, for people; return a clause that says where."""
    outbox = delivery.outbox
    if outbox is None or data is None:
        return ", and not kept"
    try:
        return f", and put aside as {outbox.set_aside(_put(delivery, outbox, data), reason)}"
    except OSError as exc:
        return f", and it could not be kept in {outbox.folder}: {exc.strerror}"


def _put(delivery: Delivery, outbox: Outbox, data: bytes) -> str:
    name, dropped = outbox.put(data)
    for other in dropped:
        delivery.warn(f"the spool is full: {other} was taken out of it, and was never sent")
    return name
