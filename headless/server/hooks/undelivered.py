"""The error of one try to tell something."""

from headless.errors import HeadlessError

__all__ = ["Undelivered"]


class Undelivered(HeadlessError):
    """It was not delivered; the courier tries again, unless that is of no use."""

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        """Args:
        message: why, as a clause; without the URL, which may be a secret.
        is_final: whether another try would end the same way.
        """
        super().__init__(message)
        self.is_final = is_final
