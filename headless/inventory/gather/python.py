"""Python's distributions, by the metadata that lie beside them in the folders of installed packages.

Those that a package of the system has brought are in its list already, under their own name there: a second entry would
be matched against the wrong advisories. They are told by their INSTALLER, or by lying where Debian's policy lets only
dpkg install.
"""

import os

from headless.inventory.gather.files import decode
from headless.inventory.gather.rows import NoSource, Row, Unreadable

__all__ = ["read_python"]

PARENTS = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64")
SYSTEMS_OWN = "/usr/lib/python3/dist-packages"
HEAD = 8192  # bytes; Name and Version stand before the long description


def read_python(root: str = "", folders: list[str] | None = None) -> list[Row]:
    """Read the distributions.

    Args:
        root: the folder that holds the system; empty for this machine's own.
        folders: more folders to look into, as of virtual environments: as they are, not below ``root``.

    Raises:
        NoSource: there is no such folder.
        Unreadable: a folder that was named, or the metadata of a distribution, cannot be read.
    """
    found = _find_folders(root)
    for folder in folders or []:
        if not os.path.isdir(folder):
            raise Unreadable(f"{folder}: no such folder")
        found.append(folder)
    if not found:
        raise NoSource
    rows = {row for folder in found for row in _read_folder(folder, folder == root + SYSTEMS_OWN)}
    return sorted(rows)


def _find_folders(root: str) -> list[str]:
    found = []
    for parent in PARENTS:
        for version in _list(root + parent):
            if version.startswith("python3"):
                for name in ("site-packages", "dist-packages"):
                    folder = f"{root}{parent}/{version}/{name}"
                    if os.path.isdir(folder):
                        found.append(folder)
    return found


def _read_folder(folder: str, is_systems: bool) -> list[Row]:
    rows: list[Row] = []
    for name in _list(folder):
        if name.startswith("~"):  # what pip leaves of one that it has half removed
            continue
        if name.endswith(".dist-info"):
            if not _is_systems(f"{folder}/{name}", is_systems):
                rows.append(_read(f"{folder}/{name}/METADATA"))
        elif name.endswith(".egg-info") and not is_systems:
            path = f"{folder}/{name}"
            rows.append(_read(path + "/PKG-INFO" if os.path.isdir(path) else path))
    return rows


def _is_systems(folder: str, is_systems: bool) -> bool:
    """Debian takes INSTALLER out, Fedora writes "rpm" into it."""
    try:
        with open(folder + "/INSTALLER", "rb", buffering=0) as file:
            return file.read(16).strip() in (b"rpm", b"debian")
    except OSError:
        return is_systems


def _read(path: str) -> Row:
    try:
        with open(path, "rb", buffering=0) as file:
            text = "\n" + decode(file.read(HEAD))
    except OSError as exc:
        raise Unreadable(f"{exc.filename}: {exc.strerror}") from exc
    name, version = _field(text, "\nName:"), _field(text, "\nVersion:")
    if not name or not version:
        raise Unreadable(f"{path}: no name or no version in it")
    return ("python", name, version, "", "", "")


def _field(text: str, name: str) -> str:
    _, found, rest = text.partition(name)
    return rest.partition("\n")[0].strip() if found else ""


def _list(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as exc:
        raise Unreadable(f"{folder}: {exc.strerror}") from exc
