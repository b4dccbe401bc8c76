"""Versions compared as each package manager compares them.

Every order is total, whatever the text: what a package manager would refuse has its place too, and nothing is raised
but a ``ParameterError`` where Python's are compared and ``packaging`` is not installed.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from headless.inventory.versions import apk, deb, python, rpm
from headless.inventory.versions.parts import Key, Parts

__all__ = ["Key", "compare", "compare_to_bound", "sort_key"]


class _Rules(NamedTuple):
    split: Callable[[str], Parts]
    build_key: Callable[[Parts], Key]


RULES = {
    "rpm": _Rules(rpm.split, rpm.build_key),
    "dpkg": _Rules(deb.split, deb.build_key),
    "apk": _Rules(apk.split, apk.build_key),
    "python": _Rules(python.split, python.build_key),
}


def compare(kind: str, a: str, b: str) -> int:
    """Compare two whole versions.

    Args:
        kind: of ``package.KINDS``; one without rules here is compared as rpm compares an upstream version.

    Returns:
        -1 if ``a`` is older, 0 if neither is, 1 if ``a`` is newer.
    """
    if a == b:
        return 0
    key = sort_key(kind)
    return _sign(key(a), key(b))


def sort_key(kind: str) -> Callable[[str], Key]:
    """The function that turns whole versions of a kind into what they sort by."""
    rules = RULES.get(kind)
    if rules is None:
        return _plain_key
    return lambda version: rules.build_key(rules.split(version))


def compare_to_bound(kind: str, version: str, bound: str) -> int:
    """Compare a whole version to one that a person wrote: a part that the bound does not have is not compared.

    So rpm's ``1:3.0.7-28.el9`` is equal to the bounds ``3.0.7``, ``1:3.0.7`` and ``3.0.7-28.el9``, and older than
    ``3.0.14``; who means that there is no epoch writes it: ``0:3.0.14``.
    """
    rules = RULES.get(kind)
    if rules is None:
        return _sign(_plain_key(version), _plain_key(bound))
    has_epoch, has_release, key = _take_bound(kind, bound)
    epoch, upstream, release = rules.split(version)
    parts = Parts(epoch if has_epoch else None, upstream, release if has_release else None)
    return _sign(rules.build_key(parts), key)


@lru_cache(maxsize=1024)
def _take_bound(kind: str, bound: str) -> tuple[bool, bool, Key]:
    parts = RULES[kind].split(bound)
    return parts.epoch is not None, parts.release is not None, RULES[kind].build_key(parts)


def _plain_key(version: str) -> Key:
    return rpm.build_key(Parts(None, version, None))


def _sign(a: Key, b: Key) -> int:
    return (a > b) - (a < b)
