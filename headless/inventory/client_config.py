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
    """Read settings: by the options' names, with dashes; and a warning of those that are not known.

    Args:
        text: of the file.
        known: the names that options have.

    Raises:
        ParameterError: a line is none of such a file, or a TAG does not come.
    """
    values: dict[str, str] = {}
    unknown: dict[str, None] = {}
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
            unknown[name] = None
    return values, _tell_unknown(unknown, known)


def _tell_unknown(names: Collection[str], known: Collection[str]) -> list[str]:
    if not names:
        return []
    listed = ", ".join(map(repr, names))
    verb = "is not known and was" if len(names) == 1 else "are not known and were"
    return [f"{listed} {verb} passed over: known are {', '.join(sorted({*known, *NAMES}))}"]


def _read_until(lines: Iterator[str], tag: str) -> str:
    found: list[str] = []
    for line in lines:
        if line.rstrip() == tag:
            return "".join(found)
        found.append(line + "\n")
    raise ParameterError(f"the line {tag!r} that ends a value is not there")
