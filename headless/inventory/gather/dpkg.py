"""Debian's packages, from dpkg's own list: deb-status(5), deb-control(5)."""

import os

from headless.inventory.gather.files import decode, place, read
from headless.inventory.gather.rows import NoSource, Row, Unreadable

__all__ = ["read_dpkg"]

FOLDER = "/var/lib/dpkg"
EXACT = ("installed",)
# Those whose files are all there, if not yet set up: what matters where it is asked what code is on a disk.
ON_DISK = ("installed", "triggers-awaited", "triggers-pending", "half-configured", "unpacked")


def read_dpkg(root: str = "", *, plain: bool = False) -> list[Row]:
    """Read the packages whose files are installed, held ones too; not those of which only settings are left.

    Args:
        root: the folder that holds the system; empty for this machine's own.
        plain: only what is wanted and fully set up, as pakiti-client lists them.

    Raises:
        NoSource: there is no list.
        Unreadable: it cannot be read, or is cut short.
    """
    rows: list[Row] = []
    for text in _read_lists(place(root, FOLDER)):
        _check_end(text)
        for paragraph in text.split("\n\n"):
            row = _parse(paragraph, plain)
            if row is not None:
                rows.append(row)
    return rows


def _read_lists(folder: str) -> list[str]:
    """The list; of images without dpkg itself, that of each package."""
    try:
        names = sorted(os.listdir(folder + "/status.d"))
        paths = [f"{folder}/status.d/{name}" for name in names if not name.endswith(".md5sums")]
    except OSError:
        paths = []
    if os.path.exists(folder + "/status") or (not paths and os.path.isdir(folder + "/info")):
        paths.append(folder + "/status")
    if not paths:
        raise NoSource
    try:
        return [decode(read(path)) for path in paths]
    except OSError as exc:
        raise Unreadable(f"{exc.filename}: {exc.strerror}") from exc


def _check_end(text: str) -> None:
    """dpkg writes an empty line after each package. Some builders of images leave out the last one."""
    if "\0" in text:
        raise Unreadable("dpkg's list is damaged: it holds NUL bytes")
    if text and not text.endswith("\n\n"):
        last = text[text.rfind("\n\n") + 1 :]
        if not text.endswith("\n") or "\nDescription:" not in last or "\nVersion:" not in last:
            raise Unreadable("dpkg's list is cut short: its last package is not whole")


def _parse(paragraph: str, plain: bool) -> Row | None:
    """A package; ``None`` if it is not installed."""
    text = "\n" + paragraph
    status = _field(text, "\nStatus: ")
    if status:
        words = status.split(" ")
        if words[-1] not in (EXACT if plain else ON_DISK) or (plain and words[0] != "install"):
            return None
    elif not paragraph.strip():
        return None
    # Without a status: the list of an image, of which every package is installed.
    name, version = _field(text, "\nPackage: "), _field(text, "\nVersion: ")
    if not name or not version:
        raise Unreadable(f"dpkg's list is damaged: a package without a name or a version: {paragraph[:60]!r}")
    source, _, source_version = _field(text, "\nSource: ").partition(" (")
    return (
        "dpkg",
        name,
        version,
        _field(text, "\nArchitecture: "),
        source if source != name else "",
        source_version.rstrip(")"),
    )


def _field(text: str, name: str) -> str:
    start = text.find(name)
    if start < 0:
        return ""
    start += len(name)
    end = text.find("\n", start)
    return text[start:end] if end >= 0 else text[start:]
