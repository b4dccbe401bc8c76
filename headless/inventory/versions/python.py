"""Python's versions: PEP 440, by ``packaging``."""

from headless.errors import ParameterError
from headless.extras import tell_install
from headless.inventory.versions import rpm
from headless.inventory.versions.parts import Key, Parts

__all__ = ["build_key", "split"]


def split(version: str) -> Parts:
    """Take ``PUBLIC[+LOCAL]`` apart: the local part is the packagers'. The epoch stays with the public part."""
    public, plus, local = version.partition("+")
    return Parts(None, public, local if plus else None)


def build_key(parts: Parts) -> Key:
    """What a version is sorted by. What PEP 440 does not know is older than all it knows, and sorts as rpm's do.

    Raises:
        ParameterError: ``packaging`` is not installed.
    """
    try:
        from packaging.version import InvalidVersion, Version
    except ImportError:
        raise ParameterError(f"Python's versions are compared by packaging: {tell_install('inventory')}") from None

    text = parts.upstream if parts.release is None else f"{parts.upstream}+{parts.release}"
    try:
        return 1, Version(text)
    except (InvalidVersion, ValueError):
        # A ValueError is a number of more than 4300 digits.
        return 0, rpm.build_key(Parts(None, text, None)), text
