"""Alpine's packages, from apk's own list: a letter, a colon and a value on each line, an empty line after a package."""

import os

from headless.inventory.gather.files import decode, place, read
from headless.inventory.gather.rows import NoSource, Row, Unreadable

__all__ = ["read_apk"]

LISTS = ("/lib/apk/db/installed", "/usr/lib/apk/db/installed")


def read_apk(root: str = "") -> list[Row]:
    """Read the packages that are installed.

    Raises:
        NoSource: there is no list.
        Unreadable: it cannot be read, or is cut short.
    """
    path = next((path for path in (place(root, name) for name in LISTS) if os.path.exists(path)), None)
    if path is None:
        raise NoSource
    try:
        text = decode(read(path))
    except OSError as exc:
        raise Unreadable(f"{exc.filename}: {exc.strerror}") from exc
    if text and not text.endswith("\n\n"):
        raise Unreadable(f"{path}: cut short: no empty line stands after its last package")
    return [_parse(paragraph, path) for paragraph in text.split("\n\n") if paragraph.strip()]


def _parse(paragraph: str, path: str) -> Row:
    fields = {line[:1]: line[2:] for line in reversed(paragraph.split("\n")) if line[1:2] == ":"}
    name, version, origin = fields.get("P", ""), fields.get("V", ""), fields.get("o", "")
    if not name or not version:
        raise Unreadable(f"{path}: damaged: a package without a name or a version: {paragraph.strip()[:60]!r}")
    return ("apk", name, version, fields.get("A", ""), origin if origin != name else "", "")
