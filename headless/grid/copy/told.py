"""A storage's own checksum of a file."""

from collections.abc import Sequence

from headless.grid.copy.access import Replica
from headless.grid.copy.storage import read_checksum
from headless.grid.copy.work import Work

__all__ = ["Told", "ask_told", "is_same_sum"]

LIMIT_S = 1800

Told = tuple[str, str]
"""A checksum's kind and the checksum."""


def ask_told(work: Work, replica: Replica, kinds: Sequence[str]) -> Told | None:
    """Ask a storage; ``None`` where it tells no checksum of these kinds, or not to us.

    Args:
        work: of the run.
        replica: with leave to read it.
        kinds: in the order in which to ask.

    Raises:
        GridError: the file is not there, or the storage is gone.
    """
    with work.checksum_slot(replica.url):
        for kind in kinds:
            if work.is_told(replica.url, kind):
                found = read_checksum(replica.address, LIMIT_S, kind)
                if found[0] in kinds:
                    return found
                work.note_untold(replica.url, kind)
    return None


def is_same_sum(one: str, other: str) -> bool:
    """Whether two checksums of a kind are the same; some storages leave out zeros in front."""
    return one.lstrip("0") == other.lstrip("0")
