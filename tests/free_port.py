"""Ports for servers that must be told one: each is one test's alone."""

import fcntl
import os
import random
import socket
import tempfile
from functools import cache
from pathlib import Path

__all__ = ["find_port"]

SPAN = 20_000


def find_port() -> int:
    """A port of this machine that nobody listens at.

    Not one of those that the kernel gives to clients, and to servers that want any: while ours is away, or not there
    yet, somebody might get it. Nor does a test of another process get it, as long as this process lives.
    """
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for _ in range(1000):
        port = random.randrange(max(first - SPAN, 1024), first)
        if _claim(port) and _is_free(port):
            return port
    raise AssertionError("no free port")


_claimed: set[int] = set()


def _claim(port: int) -> bool:
    """Lock a byte of a file that all tests of this machine share."""
    if port in _claimed:  # a lock is the whole process's
        return False
    try:
        fcntl.lockf(_open_claims(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    _claimed.add(port)
    return True


@cache
def _open_claims() -> int:
    """Never closed: that would end the locks."""
    path = os.path.join(tempfile.gettempdir(), f"headless-test-ports-{os.geteuid()}")
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
