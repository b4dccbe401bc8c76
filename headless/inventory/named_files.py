"""Files that somebody has named."""

from headless.errors import ParameterError

__all__ = ["read_named"]


def read_named(path: str) -> bytes:
    """Read a file.

    Raises:
        ParameterError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as exc:
        raise ParameterError(f"{path} cannot be read: {exc.strerror}") from exc
