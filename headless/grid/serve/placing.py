"""Where replicas go, and come from: ``disk:2,ALICE::X::SE,!ALICE::Y::SE``. No I/O."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from headless.grid.errnos import EINVAL
from headless.grid.messages import GridError
from headless.grid.serve.stores import Store

__all__ = ["Wish", "choose_sources", "choose_targets", "parse_wish"]

MAX_REPLICAS = 20
DEFAULT = {"disk": 2}


@dataclass(frozen=True)
class Wish:
    """What a user says about storages; names in capitals.

    Attributes:
        counts: replicas by class of storage.
        named: storages that are wanted.
        refused: storages that are not.
    """

    counts: dict[str, int]
    named: tuple[str, ...]
    refused: frozenset[str]


def parse_wish(text: str) -> Wish:
    """Read it; what is empty wishes nothing.

    Raises:
        GridError: EINVAL.
    """
    counts: dict[str, int] = {}
    named: list[str] = []
    refused: set[str] = set()
    for word in filter(None, (part.strip() for part in text.split(","))):
        if word.startswith("!"):
            refused.add(word[1:].upper())
        elif "::" in word:
            named.append(word.upper())
        else:
            name, _, count = word.partition(":")
            if not (count.isascii() and count.isdecimal() and len(count) < 4 and name.isalpha()):
                raise GridError(EINVAL, f"{word!r}: give CLASS:NUMBER, VO::SITE::NAME or !VO::SITE::NAME")
            counts[name.lower()] = int(count)
    if sum(counts.values()) + len(named) > MAX_REPLICAS:
        raise GridError(EINVAL, f"{text!r}: {MAX_REPLICAS} replicas at most")
    return Wish(counts, tuple(named), frozenset(refused))


def choose_targets(stores: Sequence[Store], wish: Wish, site: str) -> list[Store]:
    """Storages for new replicas: the named ones first, then so many of each class, near ones first, else by chance.

    There may be fewer than were wished for.
    """
    counts = wish.counts if wish.counts or wish.named else DEFAULT
    allowed = [store for store in stores if store.name.upper() not in wish.refused]
    chosen = [store for name in wish.named for store in allowed if store.name.upper() == name]
    rest = _sort_near([store for store in allowed if store not in chosen], site)
    for kind, count in counts.items():
        fit = [store for store in rest if kind in store.qos and store not in chosen]
        chosen += fit[:count]
    return list(dict.fromkeys(chosen))


def choose_sources(stores: Sequence[Store], wish: Wish, site: str, *, is_strict: bool) -> list[Store]:
    """The storages that have a file, in the order to try them: named ones, near ones, the others by chance.

    Args:
        stores: that have it.
        wish: classes do not count here.
        site: where the reader is; may be empty.
        is_strict: whether only named ones will do, if there are any.
    """
    allowed = [store for store in stores if store.name.upper() not in wish.refused]
    if is_strict and wish.named:
        allowed = [store for store in allowed if store.name.upper() in wish.named]
    near = _sort_near(allowed, site)
    return sorted(near, key=lambda store: store.name.upper() not in wish.named)


def _sort_near(stores: Sequence[Store], site: str) -> list[Store]:
    if len(stores) < 2:
        return list(stores)
    mixed = random.sample(stores, len(stores))
    return sorted(mixed, key=lambda store: store.site.upper() != site.upper())
