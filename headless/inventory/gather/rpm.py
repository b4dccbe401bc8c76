"""rpm's packages: its database read as it lies on the disk, or, where that cannot be, by the command ``rpm``."""

import os
import sys

from headless.inventory.gather.files import decode, place
from headless.inventory.gather.rows import NoSource, Row, Unreadable

if sys.platform == "win32":
    raise ImportError("reports are made on POSIX systems only")

__all__ = ["read_rpm"]

FOLDERS = ("/usr/lib/sysimage/rpm", "/var/lib/rpm", "/usr/share/rpm")
BACKENDS = {"rpmdb.sqlite": "sqlite", "Packages.db": "ndb", "Packages": "bdb_ro"}
COMMANDS = ("/usr/bin/rpm", "/bin/rpm")
FIELDS = r"%{NAME}\t%|EPOCH?{%{EPOCH}}:{0}|:%{VERSION}-%{RELEASE}\t%{ARCH}\t%|SOURCERPM?{%{SOURCERPM}}:{}|\n"


def read_rpm(root: str = "") -> list[Row]:
    """Read the packages that are installed; keys that rpm keeps among them are none.

    Raises:
        NoSource: there is no database, or nothing in it, as where rpm is but a tool on another system.
        Unreadable: it is locked or damaged.
    """
    path = _find(root)
    rows = _read(path, root)
    if not rows:
        raise NoSource
    return rows


def parse_line(line: str) -> Row | None:
    """A package from what rpm prints with ``FIELDS``; ``None`` for a key."""
    name, version, arch, file = line.split("\t")
    return build_row(name, version, arch, file)


def build_row(name: str, version: str, arch: str, file: str) -> Row | None:
    """A package; ``None`` for a key.

    Args:
        name, version, arch: of it, the version with its epoch.
        file: the name of its source package's file, or empty.
    """
    if name == "gpg-pubkey":
        return None
    parts = file.removesuffix(".src.rpm").removesuffix(".nosrc.rpm").rsplit("-", 2)
    source, source_version = (parts[0], "-".join(parts[1:])) if len(parts) == 3 else ("", "")
    is_same = version.partition(":")[2] == source_version
    return ("rpm", name, version, arch, source if source != name else "", "" if is_same else source_version)


def _find(root: str) -> str:
    for folder in FOLDERS:
        for name in BACKENDS:
            path = place(root, f"{folder}/{name}")
            try:
                os.stat(path)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as exc:
                raise Unreadable(f"{path}: {exc.strerror}") from exc
            return path
    raise NoSource


def _read(path: str, root: str) -> list[Row]:
    reason = f"{path}: of the kind ndb, which the command rpm alone can read"
    try:
        if path.endswith(".sqlite"):
            from headless.inventory.gather.rpm_sqlite import read_database

            return read_database(path)
        if path.endswith("/Packages"):
            from headless.inventory.gather.rpm_bdb import read_bdb

            return read_bdb(path)
    except Unreadable as exc:
        reason = str(exc)
    command = next((name for name in COMMANDS if os.access(name, os.X_OK)), None)
    if command is None:
        raise Unreadable(reason)
    return _run(command, path, reason)


def _run(command: str, path: str, reason: str) -> list[Row]:
    """Ask rpm. Only where its database cannot be read from here: it takes ten times as long."""
    import subprocess  # 14 ms that no other way pays

    folder, name = os.path.split(os.path.abspath(path))
    # Without its kind, an rpm that does not know it makes an empty database of its own kind beside it.
    kind = ("--define", f"_db_backend {BACKENDS[name]}")
    argv = [command, *kind, "--dbpath", folder, "-qa", "--qf", FIELDS]
    try:
        done = subprocess.run(  # noqa: S603  # a fixed program, no shell
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=120,
            env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
            cwd="/",
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise Unreadable(reason) from exc
    said = " ".join(decode(done.stderr).split())[:200]
    if done.returncode or said.startswith("error:") or not done.stdout:
        raise Unreadable(f"{reason}; {command} {f'says {said}' if said else 'lists nothing'}")
    rows = (parse_line(line) for line in decode(done.stdout).split("\n") if line)
    return [row for row in rows if row is not None]
