"""One installed package, and what makes two lists of packages the same."""

from collections.abc import Iterable
from hashlib import sha256
from itertools import groupby
from typing import NamedTuple

__all__ = ["KINDS", "Package", "canonical_lines", "digest"]

KINDS = ("rpm", "dpkg", "apk", "python", "pkg", "other")
"""Where a package comes from. ``pkg`` is BSD's; ``other`` what an imported list calls something else."""


class Package(NamedTuple):
    """A package as its package manager knows it.

    Attributes:
        kind: one of ``KINDS``.
        name: as installed; names are told apart by case.
        version: all of it: rpm ``EPOCH:VERSION-RELEASE`` with the epoch 0 written out, dpkg
            ``[EPOCH:]VERSION[-REVISION]``, apk ``VERSION-rN``, Python as its metadata has it.
        arch: "x86_64", "amd64", "noarch"; empty where the kind knows none.
        source: the source package, where its name differs from ``name``; else empty. Security trackers go by it.
        source_version: the source package's version, where it differs from ``version``; else empty.
    """

    kind: str
    name: str
    version: str
    arch: str = ""
    source: str = ""
    source_version: str = ""


def canonical_lines(packages: Iterable[Package]) -> list[bytes]:
    """A line per distinct package, its fields joined by tabs, in the order of their bytes, as UTF-8.

    Two hosts have the same packages if these lines are the same: order and repetition, in which reporters differ, do
    not count.
    """
    # Most lists come in this order: sorting one takes less than making a set of it, in time and in memory.
    lines = sorted(["\t".join(package).encode("utf-8", "surrogateescape") for package in packages])
    return [line for line, _ in groupby(lines)]


def digest(lines: Iterable[bytes]) -> bytes:
    """The 32 bytes of SHA-256 over lines, each ended by LF."""
    return sha256(b"".join(line + b"\n" for line in lines)).digest()
