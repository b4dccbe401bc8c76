"""Answers by pages: rows after a key, and the key of the next."""

import base64
import binascii
import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple

from headless.errors import ParameterError

__all__ = ["Answer", "Key", "Ordered", "Page", "build_key", "cut", "order", "parse_key"]

Key = tuple[Any, ...]
LARGEST = 1 << 62  # databases take 64 bits
IN_NO_NAME = re.compile("[\0\ud800-\udfff]")


class Page(NamedTuple):
    """Which rows are wanted.

    Attributes:
        limit: at most so many.
        after: those after the row of this key; empty: from the first.
    """

    limit: int
    after: Key = ()


class Answer(NamedTuple):
    """Some rows.

    Attributes:
        rows: their values in the order of the question's columns.
        next: the key after which the next page begins; empty: there is none.
        summary: of the whole answer, where the question has one.
        notes: what else the asker should know, a line each.
    """

    rows: list[tuple[Any, ...]]
    next: Key = ()
    summary: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ordered:
    """The rows of all pages of an answer, or what they are made of.

    Attributes:
        pairs: each with its key, in their order. A key must not depend on the others, which may be found anew for the
            next page, with some more among them.
        summary: of the whole.
        notes: what else the asker should know, a line each.
        rank: what keys are ordered by, where it is not they themselves; it may raise ValueError or TypeError.
    """

    pairs: Sequence[tuple[Key, Any]]
    summary: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()
    rank: Callable[[Key], Any] = tuple

    def __len__(self) -> int:
        return len(self.pairs)

    def take(self, page: Page) -> tuple[Sequence[Any], Key]:
        """Those of one page, and the next page's key."""
        begin = 0
        if page.after:
            try:
                begin = bisect_right(self.pairs, self.rank(page.after), key=lambda pair: self.rank(pair[0]))
            except (TypeError, ValueError):
                raise _no_key() from None
        end = begin + page.limit
        return [item for _, item in self.pairs[begin:end]], self.pairs[end - 1][0] if len(self.pairs) > end else ()


def order(
    items: Iterable[Any],
    key: Callable[[Any], Key],
    summary: dict[str, Any] | None = None,
    notes: tuple[str, ...] = (),
) -> Ordered:
    """Sort what fits into memory."""
    return Ordered(sorted(((key(item), item) for item in items), key=itemgetter(0)), summary, notes)


def cut(items: Iterable[Any], key: Callable[[Any], Key], page: Page) -> tuple[Sequence[Any], Key]:
    """Sort what fits into memory, and cut a page out of it; return that, and the next page's key."""
    return order(items, key).take(page)


def build_key(key: Key) -> str:
    """Write a key as text for a URL; empty for none."""
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=") if key else ""


def parse_key(text: str) -> Key:
    """Read one.

    Raises:
        ParameterError: it is none of ours.
    """
    if not text:
        return ()
    try:
        value = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        raise _no_key() from None
    if not isinstance(value, list) or not value or not all(map(_is_part, value)):
        raise _no_key()
    return tuple(value)


def _is_part(value: object) -> bool:
    return not IN_NO_NAME.search(value) if isinstance(value, str) else type(value) is int and abs(value) < LARGEST


def _no_key() -> ParameterError:
    return ParameterError("'after' is no key of a page: take it from 'next' of the page before")
