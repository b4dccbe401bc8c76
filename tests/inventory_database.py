"""A database server of a collector, whichever it is, that fails in all the ways that database servers do."""

from contextlib import AbstractContextManager
from typing import Protocol

from mariadb import run_mariadb
from postgres import run_postgres


class DatabaseServer(Protocol):
    """A database server that comes and goes."""

    def start(self) -> None:
        """Have it answer."""

    def stop(self) -> None:
        """End it at once."""

    def crash(self) -> None:
        """End it as a power cut would."""

    def freeze(self) -> None:
        """Stop it in its tracks: it takes connections, and never says a word."""

    def thaw(self) -> None:
        """Have it go on."""

    def create_database(self, name: str) -> str:
        """Make an empty database; return its URL."""

    def dump(self, name: str) -> None:
        """Copy a database to a file, with the server's own tools."""

    def drop(self, name: str) -> None:
        """Lose a database."""

    def restore(self, name: str) -> None:
        """Have a database that was lost be what was dumped."""


def run_database(kind: str) -> AbstractContextManager[DatabaseServer]:
    """Run "postgresql" or "mariadb" for as long as a block runs."""
    return run_postgres() if kind == "postgresql" else run_mariadb()
