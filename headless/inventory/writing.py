"""Writing a report to a file, whole or not at all."""

import os

__all__ = ["replace_file", "write_all"]


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of some bytes.

    Raises:
        OSError: not all could be written.
    """
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def replace_file(path: str, data: bytes, *, is_synced: bool = False) -> None:
    """Put a file in place, in one step; what cannot be replaced, as a pipe or a device, is written to; links stay.

    Args:
        path: of the file.
        data: all of it.
        is_synced: it is on disk before it takes the other's place: for what cannot be made once more.

    Raises:
        OSError: it cannot be written; then what was there before is there still.
    """
    if os.path.exists(path):
        if not os.path.isfile(path) or (os.path.islink(path) and path.startswith("/dev/")):  # /dev/stdout
            return _write_to(path, data)
        path = os.path.realpath(path)
    temporary = f"{path}.{os.getpid()}.new"
    if os.path.lexists(temporary):
        os.unlink(temporary)  # of one that was killed: in a container the next may well have its number
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        try:
            write_all(descriptor, data)
            if is_synced:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise


def _write_to(path: str, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        write_all(descriptor, data)
    finally:
        os.close(descriptor)
