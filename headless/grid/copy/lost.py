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
    """

    path: str
    code: int
    error: str
    is_skipped: bool = False
