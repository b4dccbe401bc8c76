"""What was to be copied and cannot be."""

from dataclasses import dataclass

__all__ = ["Lost"]


@dataclass(frozen=True)
class Lost:
    """What was to be copied and cannot be.

    Attributes:
        path: or LFN.
        code: an errno.
        error: why.
        is_skipped: whether it is none of what can be copied at all, and no failure.
        relative: of a single file, its path below the folder; empty where more may be lost.
    """

    path: str
    code: int
    error: str
    is_skipped: bool = False
    relative: str = ""
