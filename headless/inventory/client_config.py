"""pakiti-client's settings file: ``name = value``, comments after ``#``, longer values between ``<<TAG`` and TAG."""

import re
from collections.abc import Collection, Iterator

from headless.errors import ParameterError

__all__ = ["PASSED_OVER", "parse_settings", "read_settings"]

NAMES = {"url": "to", "rndsleep": "splay"}
PASSED_OVER = frozenset(
    ("rpm", "dpkg-query", "pkg", "openssl", "hostname", "uname", "lsb_release", "svmon", "curl", "wget", "debug")
)
"""Settings of pakiti-client that are of no use here."""
_LINE = re.compile(r"\s*([\w-]+)\s*=\s*(.*?)\s*")


def read_settings(path: str, known: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """Read a file; see ``parse_settings``.

    Raises:
        ParameterError: it cannot be read, or is not of that form.
    """
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as exc:
        raise ParameterError(f"{path} cannot be read: {getattr(exc, 'strerror', None) or 'it is no UTF-8'}") from exc
    try:
        return parse_settings(text, known)
    except ParameterError as exc:
        raise ParameterError(f"{path}: {exc}") from exc


def parse_settings(text: str, known: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """Read settings: by the options' names, with dashes; and a warning for each that is not known.

    Args:
        text: of the file.
        known: the names that options have.

    Raises:
        ParameterError: a line is none of such a file, or a TAG does not come.
    """
    values: dict[str, str] = {}
    warnings: list[str] = []
    lines = iter(text.splitlines())
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise ParameterError(f"no line of NAME = VALUE: {line.strip()[:60]!r}")
        name, value = match[1], match[2]
        if value.startswith("<<"):
            value = _read_until(lines, value[2:])
        option = NAMES.get(name, name.replace("_", "-"))
        if option in known:
            values[option] = value
        elif name not in PASSED_OVER:
            warnings.append(f"setting {name!r} is not known and was passed over")
    return values, warnings


def _read_until(lines: Iterator[str], tag: str) -> str:
    found: list[str] = []
    for line in lines:
        if line.rstrip() == tag:
            return "".join(found)
        found.append(line + "\n")
    raise ParameterError(f"the line {tag!r} that ends a value is not there")
