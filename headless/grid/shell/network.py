"""What can be reached from here: ``checkAddr``, and the authorities that ``getCAcerts`` fetches."""

import os
import shutil
import socket
import subprocess
import tempfile

from headless.grid.errnos import EINVAL, EIO, ENOENT, ENOTCONN
from headless.grid.messages import GridError, Reply
from headless.grid.settings import DEFAULT_HOST, DEFAULT_PORT
from headless.grid.shell.options import read_number, read_words
from headless.grid.shell.shell import Shell

__all__ = ["check_address", "fetch_authorities"]

REFERENCE = (("8.8.8.8", 53), ("2001:4860:4860::8888", 53), ("www.cern.ch", 80))
LIMIT_S = 5.0
SOURCE = "https://github.com/alisw/alien-cas.git"
CLONE_LIMIT_S = 120


def check_address(shell: Shell, name: str, args: list[str]) -> Reply:
    """``checkAddr``: each address of a host, and whether somebody listens at its port."""
    words = read_words(name, args, ("reference",), most=2)
    host = words.rest[0] if words.rest else DEFAULT_HOST
    port = read_number(name, "PORT", words.rest[1], 1, 65535) if len(words.rest) > 1 else DEFAULT_PORT
    rows, is_found = [], False
    for place in (*(REFERENCE if "reference" in words.flags else ()), (host, port)):
        found = _try_all(*place)
        is_found = any(row["status"] == "OK" for row in found)  # of the last one, which was asked for
        rows += found
    error = "" if is_found else f"nobody can be reached at {host}:{port}"
    return shell.answer(*rows, code=ENOTCONN if error else 0, error=error)


def _try_all(host: str, port: int) -> list[dict[str, str]]:
    try:
        places = socket.getaddrinfo(host, port, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError) as exc:
        return [_row(host, port, f"FAIL: {getattr(exc, 'strerror', None) or exc}")]
    return [_row(place[0], port, _try(family, place)) for family, _, _, _, place in places]


def _try(family: int, place: tuple[object, ...]) -> str:
    try:
        with socket.socket(family) as channel:
            channel.settimeout(LIMIT_S)
            channel.connect(place)
    except OSError as exc:
        return f"FAIL: {exc.strerror or exc}"
    return "OK"


def _row(address: object, port: int, status: str) -> dict[str, str]:
    return {
        "address": str(address),
        "port": str(port),
        "status": status,
        "message": f"{address}:{port}        {status}",
    }


def fetch_authorities(shell: Shell, name: str, args: list[str]) -> Reply:
    """``getCAcerts``: clone the ALICE authorities into ``FOLDER/certificates``; the old ones stay till then."""
    words = read_words(name, args, (), ("-source",), most=1)
    folder = os.path.abspath(words.rest[0]) if words.rest else os.path.join(shell.settings.home, ".globus")
    if not os.path.isdir(folder):
        raise GridError(ENOENT, f"getCAcerts: there is no folder {folder}: make it, or give another")
    for program in ("git", "openssl"):
        if shutil.which(program) is None:
            raise GridError(ENOENT, f"getCAcerts: there is no program {program} here")
    target = os.path.join(folder, "certificates")
    try:
        with tempfile.TemporaryDirectory(prefix=".alien-cas-", dir=folder) as place:
            clone, new = os.path.join(place, "clone"), os.path.join(place, "certificates")
            _run("git", "clone", "--quiet", "--depth=1", "--", words.last("-source", SOURCE), clone)
            _gather(clone, new)
            _run("openssl", "rehash", new)
            if os.path.lexists(target):
                os.rename(target, os.path.join(place, "old"))
            os.rename(new, target)
    except OSError as exc:
        raise GridError(exc.errno or EIO, f"getCAcerts: {exc.filename or folder}: {exc.strerror}") from exc
    return shell.answer({"folder": target, "message": f"export X509_CERT_DIR={target}"})


def _gather(clone: str, new: str) -> None:
    """The files of the clone's folders, in one; without links, which could lead anywhere."""
    os.mkdir(new, 0o755)
    for entry in sorted(os.scandir(clone), key=lambda entry: entry.name):
        if entry.is_dir(follow_symlinks=False) and entry.name != ".git":
            for file in os.scandir(entry):
                if file.is_file(follow_symlinks=False):
                    shutil.copyfile(file.path, os.path.join(new, file.name))
    if not any(name.endswith(".pem") for name in os.listdir(new)):
        raise GridError(EINVAL, "getCAcerts: there is no authority (*.pem) in what was cloned")


def _run(*command: str) -> None:
    """Raises:
    GridError: EIO: it has failed, or took too long.
    """
    try:
        done = subprocess.run(  # noqa: S603
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=CLONE_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired as exc:
        raise GridError(EIO, f"getCAcerts: {command[0]} was not done in {CLONE_LIMIT_S} s") from exc
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it gives no reason"])[-1]
        raise GridError(EIO, f"getCAcerts: {' '.join(command[:2])}: {reason}")
