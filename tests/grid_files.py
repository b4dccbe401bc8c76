"""Files of a test, brought to a grid's storages with the real xrdcp."""

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

from grid_talk import Said, Talk
from support import TIME_SCALE, wait_for


@dataclass(frozen=True)
class Local:
    """A file on this machine."""

    path: Path

    @property
    def size(self) -> int:
        """In bytes."""
        return self.path.stat().st_size

    @property
    def md5(self) -> str:
        """In hex."""
        return hashlib.md5(self.path.read_bytes()).hexdigest()


def run_xrdcp(*words: str) -> "subprocess.CompletedProcess[bytes]":
    """Copy with a program that knows nothing of us."""
    environment = {"PATH": "/usr/bin:/bin", "XRD_CONNECTIONRETRY": "1", "XRD_CONNECTIONWINDOW": "2"}
    return subprocess.run(
        ["xrdcp", "--silent", *words], capture_output=True, timeout=60 * TIME_SCALE, env=environment, check=False
    )


def run_xrdfs(row: dict[str, str], command: str, *words: str) -> "subprocess.CompletedProcess[bytes]":
    """Do something with a replica, with the leave that its row gives."""
    server, path = row["url"].removeprefix("root://").split("//")
    shown = f"/{path}?xrd.wantprot=unix&authz={row['envelope']}"
    return subprocess.run(
        ["xrdfs", server, command, shown, *words], capture_output=True, timeout=60 * TIME_SCALE, check=False
    )


def show(row: dict[str, str], envelope: str = "") -> str:
    """A replica's URL with leave to use it, as alien.py writes it."""
    return f"{row['url']}?xrd.wantprot=unix&authz={envelope or row['envelope']}"


def forge(envelope: str) -> str:
    """An envelope with another signature."""
    return envelope[:-20] + ("A" if envelope[-20] != "A" else "B") + envelope[-19:]


def commit(talk: Talk, row: dict[str, str], path: str, local: Local, **other: str) -> Said:
    """Enter a replica as alien.py does, with some of what is said replaced."""
    said = {
        "envelope": row["envelope"],
        "size": str(local.size),
        "lfn": path,
        "perm": "644",
        "expire": "0",
        "pfn": row["url"],
        "se": row["se"],
        "guid": row["guid"],
        "md5": local.md5,
    }
    return talk.run("commit", *(said | other).values())


def book(talk: Talk, lfn: str, local: Local, wish: str = "disk:1") -> list[dict[str, str]]:
    """Leave to write."""
    return talk.ask("access", "-s", str(local.size), "-m", local.md5, "write", lfn, wish)


def put(talk: Talk, lfn: str, local: Local, wish: str = "disk:1", mode: str = "644") -> list[dict[str, str]]:
    """Write and enter, on a busy machine with more than one envelope after the other; what access has said."""
    stored: list[dict[str, str]] = []

    def store() -> bool:
        for row in book(talk, lfn, local, wish):
            done = run_xrdcp(str(local.path), show(row))
            said = commit(talk, row, lfn, local, perm=mode)
            if "has expired" in said.error:
                return False
            assert done.returncode == 0, done.stderr
            assert (said.code, said.rows[0]["lfn"]) == (0, "1"), said.error
            stored.append(row)
        return True

    wait_for(store, f"{lfn} to be stored within an envelope's time", 60)
    return stored
