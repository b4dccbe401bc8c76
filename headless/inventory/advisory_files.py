"""Advisories read from files: JSON, a folder of it, or a ZIP archive of it, as OSV publishes one an ecosystem."""

import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator

from headless.errors import ParameterError
from headless.inventory.advisories import Advisories
from headless.inventory.advisory_records import BadAdvisory, add_records

__all__ = ["read_advisories", "read_texts"]

FILE_LIMIT = 256 * 2**20
"""The largest JSON text that is read, in bytes: four times the Debian security tracker's."""
TOTAL_LIMIT = 4 * 2**30
"""The most that is read of one archive, in bytes."""


def read_advisories(paths: Iterable[str]) -> Advisories:
    """Read advisories.

    Args:
        paths: each a file ``.json`` or ``.zip``, or a folder, which is searched for ``.json``.

    Raises:
        ParameterError: one cannot be read, is no advisory, or holds none; one line.
    """
    advisories = Advisories()
    for path in paths:
        before = len(advisories)
        for name, data in read_texts(path):
            try:
                add_records(advisories, data)
            except BadAdvisory as exc:
                raise ParameterError(f"{name}: {exc}") from None
        if len(advisories) == before:
            raise ParameterError(f"{path}: no advisory about packages of a known ecosystem is in it")
    return advisories


def read_texts(path: str) -> Iterator[tuple[str, bytes]]:
    """Each JSON text of a file, a folder or a ZIP archive, with its name.

    Raises:
        ParameterError: it cannot be read; one line.
    """
    try:
        if os.path.isdir(path):
            for name in _find_files(path):
                yield name, _read_file(name)
        elif zipfile.is_zipfile(path):
            yield from _read_archive(path)
        else:
            yield path, _read_file(path)
    except OSError as exc:
        raise ParameterError(f"{exc.filename or path}: {exc.strerror or exc}") from None


def _find_files(folder: str) -> Iterator[str]:
    def fail(exc: OSError) -> None:
        raise exc

    for root, folders, names in os.walk(folder, onerror=fail):
        folders.sort()
        yield from (os.path.join(root, name) for name in sorted(names) if name.endswith(".json"))


def _read_file(path: str) -> bytes:
    with open(path, "rb") as file:
        data = file.read(FILE_LIMIT + 1)
    if len(data) > FILE_LIMIT:
        raise ParameterError(f"{path}: larger than {FILE_LIMIT >> 20} MiB")
    return data


def _read_archive(path: str) -> Iterator[tuple[str, bytes]]:
    left = TOTAL_LIMIT
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if not entry.filename.endswith(".json"):
                    continue
                limit = min(left, FILE_LIMIT)
                with archive.open(entry) as file:
                    data = file.read(limit + 1)
                if len(data) > limit:
                    raise ParameterError(f"{path}: more in it than is read of an archive")
                left -= len(data)
                yield f"{path}: {entry.filename[:100]!r}", data
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as exc:
        # A RuntimeError is an encrypted one.
        raise ParameterError(f"{path}: no ZIP archive that can be read: {exc}") from None
