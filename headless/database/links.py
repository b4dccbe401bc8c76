"""The connections to a database, to be cut where somebody ends who cannot wait for its answers."""

import contextlib
import os
import socket
import threading
from typing import Any
from weakref import WeakSet

__all__ = ["Links"]


class Links:
    """The connections of one engine, those included that are being made.

    Attributes:
        is_cut: whether they have been cut; nobody makes one any more.
    """

    def __init__(self) -> None:
        self.is_cut = False
        self._all: WeakSet[Any] = WeakSet()
        self._lock = threading.Lock()

    def add(self, connection: Any) -> None:
        """Know of one, of psycopg or PyMySQL."""
        with self._lock:
            self._all.add(connection)

    def cut(self) -> None:
        """Cut them: who waits for an answer is told that the server has gone."""
        self.is_cut = True
        with self._lock:
            connections = list(self._all)
        for connection in connections:
            with contextlib.suppress(Exception):  # closed already, or not open yet
                _shut_down(connection)


def _shut_down(connection: Any) -> None:
    # PyMySQL tells nobody its socket.
    number = connection.fileno() if hasattr(connection, "fileno") else connection._sock.fileno()
    with socket.socket(fileno=os.dup(number)) as channel:
        channel.shutdown(socket.SHUT_RDWR)
