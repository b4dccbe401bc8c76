"""Orders that a command leaves for whoever runs the collector: it alone writes the inventory."""

import asyncio
import json
import logging
import time

from headless.errors import HeadlessError, ParameterError, Unavailable
from headless.inventory.ask.retiring import Order, carry_out, read_order, write_order
from headless.inventory.collect.kept import Kept
from headless.inventory.collect.store import Store

__all__ = ["carry_out_orders", "find_result", "give_order"]

log = logging.getLogger("headless.inventory")


def give_order(kept: Kept, order: Order) -> int:
    """Leave an order; return its number.

    Raises:
        Unavailable: it could not be written.
    """
    return kept.give_order(write_order(order))


def find_result(kept: Kept, number: int) -> list[str] | None:
    """What was done; ``None``: nothing yet.

    Raises:
        ParameterError: the order cannot be carried out.
        Unavailable: not now: the database is away.
    """
    answer = kept.find_answer(number)
    if answer is None:
        return None
    told = json.loads(answer)
    if "error" in told:
        raise (Unavailable if told["is_passing"] else ParameterError)(told["error"])
    lines: list[str] = told["lines"]
    return lines


async def carry_out_orders(store: Store, kept: Kept) -> int:
    """Carry out what was ordered; return how many orders that were."""
    given = await asyncio.to_thread(kept.list_orders)
    for number, content in given:
        answer = await _carry_out(store, content)
        await asyncio.to_thread(kept.answer_order, number, json.dumps(answer))
    return len(given)


async def _carry_out(store: Store, content: str) -> dict[str, object]:
    try:
        order = read_order(content)
        lines = await store.write(lambda connection: carry_out(connection, order, int(time.time())))
    except HeadlessError as exc:
        return {"error": str(exc), "is_passing": isinstance(exc, Unavailable)}
    except Exception as exc:
        log.exception("bug in an order")  # it must not be tried for ever
        return {"error": f"a bug in headless: {type(exc).__name__}", "is_passing": False}
    for line in lines:
        log.info("ordered done=%r", line)
    return {"lines": lines}
