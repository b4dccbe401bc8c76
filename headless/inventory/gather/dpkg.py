"""Debian's packages, from dpkg's own list: deb-status(5), deb-control(5)."""

import os

from headless.inventory.gather.files import LIMIT, decode, place
from headless.inventory.gather.rows import NoSource, Row, Unreadable

__all__ = ["read_dpkg"]

FOLDER = "/var/lib/dpkg"
INSTALLED = "install ok installed"
INSTALLED_LINE = f"\nStatus: {INSTALLED}\n"
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
    for data in _read_lists(place(root, FOLDER)):
        _check_end(data)
        _parse_list(data, rows, plain)
    return rows


def _read_lists(folder: str) -> list[bytearray]:
    """The list; of images without dpkg itself, that of each package. Before each stands a line end."""
    try:
        names = sorted(os.listdir(folder + "/status.d"))
        paths = [f"{folder}/status.d/{name}" for name in names if not name.endswith(".md5sums")]
    except (FileNotFoundError, NotADirectoryError):
        paths = []
    except OSError as exc:
        raise Unreadable(f"{exc.filename}: {exc.strerror}") from exc
    if os.path.lexists(folder + "/status") or (not paths and os.path.isdir(folder + "/info")):
        paths.append(folder + "/status")
    if not paths:
        raise NoSource
    try:
        return [_read(path) for path in paths]
    except OSError as exc:
        raise Unreadable(f"{exc.filename or paths[-1]}: {exc.strerror}") from exc


def _read(path: str) -> bytearray:
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        if size > LIMIT:
            raise Unreadable(f"{path}: too large to be dpkg's list")
        data = bytearray(size + 1)
        data[0] = ord("\n")
        count = file.readinto(memoryview(data)[1:])
    del data[1 + count :]
    return data


def _check_end(data: bytearray) -> None:
    """dpkg writes an empty line after each package. Some builders of images leave out the last one."""
    if 0 in data:
        raise Unreadable("the list is damaged: it holds NUL bytes")
    if len(data) > 1 and not data.endswith(b"\n\n"):
        last = data[data.rfind(b"\n\n") + 1 :]
        if not data.endswith(b"\n") or b"\nDescription:" not in last or b"\nVersion:" not in last:
            raise Unreadable("the list is cut short: its last package is not whole")


def _parse_list(data: bytearray, rows: list[Row], plain: bool) -> None:
    """Add the packages of a list.

    By places in the one buffer, as each copy of a list of a megabyte costs a millisecond of fresh memory; and what is
    done for each package stands here, as a function's call for each of its fields costs as much again.
    """
    start, size, find = 0, len(data), data.find
    while start < size:
        end = find(b"\n\n", start + 1)
        end = end if end >= 0 else size
        # dpkg writes the short fields before the version, and the long ones after it.
        middle = find(b"\nVersion: ", start, end)
        head = decode(data[start : middle + 1])
        if INSTALLED_LINE in head and "\nPackage: " in head:
            name = head.partition("\nPackage: ")[2].partition("\n")[0]
            version = decode(data[middle + 10 : find(b"\n", middle + 10)])
            source, _, source_version = head.partition("\nSource: ")[2].partition("\n")[0].partition(" (")
            arch = head.partition("\nArchitecture: ")[2].partition("\n")[0]
            rows.append(("dpkg", name, version, arch, source if source != name else "", source_version.rstrip(")")))
        elif (row := _parse(decode(data[start:end]) + "\n", plain)) is not None:
            rows.append(row)
        start = end + 1


def _parse(text: str, plain: bool) -> Row | None:
    """A package of any state, with its fields in any order; ``None`` if it is not installed."""
    status = _field(text, "\nStatus: ")
    if status and status != INSTALLED:
        words = status.split(" ")
        if words[-1] not in (EXACT if plain else ON_DISK) or (plain and words[0] != "install"):
            return None
    elif not status and not text.strip():
        return None
    name, version = _field(text, "\nPackage: "), _field(text, "\nVersion: ")
    if not version or not name:
        raise Unreadable(f"the list is damaged: a package without a name or a version: {text.strip()[:60]!r}")
    source, _, source_version = _field(text, "\nSource: ").partition(" (")
    arch = _field(text, "\nArchitecture: ")
    return ("dpkg", name, version, arch, source if source != name else "", source_version.rstrip(")"))


def _field(text: str, name: str) -> str:
    return text.partition(name)[2].partition("\n")[0]
