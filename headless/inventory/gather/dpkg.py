"""Debian's packages, from dpkg's own list: deb-status(5), deb-control(5)."""

import os

from headless.inventory.gather.files import LIMIT, decode, place
from headless.inventory.gather.rows import NoSource, Row, Unreadable

__all__ = ["read_dpkg"]

FOLDER = "/var/lib/dpkg"
INSTALLED = "install ok installed"
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
        start = 0
        # By places in the one buffer: each copy of a list of a megabyte costs a millisecond of fresh memory.
        while start < len(data):
            end = data.find(b"\n\n", start + 1)
            if end < 0:
                end = len(data)
            row = _parse(data, start, end, plain)
            if row is not None:
                rows.append(row)
            start = end + 1
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
        raise Unreadable("dpkg's list is damaged: it holds NUL bytes")
    if len(data) > 1 and not data.endswith(b"\n\n"):
        last = data[data.rfind(b"\n\n") + 1 :]
        if not data.endswith(b"\n") or b"\nDescription:" not in last or b"\nVersion:" not in last:
            raise Unreadable("dpkg's list is cut short: its last package is not whole")


def _parse(data: bytearray, start: int, end: int, plain: bool) -> Row | None:
    """A package, of the lines between the line ends at two places; ``None`` if it is not installed."""
    # dpkg writes these fields before the version, and the long ones after it: its own list need not be searched whole.
    middle = data.find(b"\nVersion: ", start, end)
    status = _field(data, b"\nStatus: ", start, middle if middle >= 0 else end)
    if not status:
        # A list of an image, of which every package is installed; or fields in an order of somebody else's.
        status, middle = _field(data, b"\nStatus: ", start, end), end
    if status and status != INSTALLED:
        words = status.split(" ")
        if words[-1] not in (EXACT if plain else ON_DISK) or (plain and words[0] != "install"):
            return None
    elif not status and not data[start:end].strip():
        return None
    name, version = _field(data, b"\nPackage: ", start, middle), _field(data, b"\nVersion: ", start, end)
    if not name or not version:
        said = decode(bytes(data[start:end])).strip()[:60]
        raise Unreadable(f"dpkg's list is damaged: a package without a name or a version: {said!r}")
    arch = _field(data, b"\nArchitecture: ", start, middle)
    source, _, source_version = _field(data, b"\nSource: ", start, middle).partition(" (")
    return ("dpkg", name, version, arch, source if source != name else "", source_version.rstrip(")"))


def _field(data: bytearray, name: bytes, start: int, end: int) -> str:
    place = data.find(name, start, end)
    if place < 0:
        return ""
    place += len(name)
    value = data[place : data.find(b"\n", place)]
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
