"""The settings of ``headless grid serve``."""

import os
from dataclasses import dataclass

__all__ = ["GridSettings"]


@dataclass(frozen=True, kw_only=True)
class GridSettings:
    """Everything that can be set.

    Attributes:
        state: the state folder, absolute: database, PKI, jobs.
        listen: ``HOST:PORT``.
        database: a URL of PostgreSQL; empty for SQLite in the state folder.
        base: the folder of all LFNs' homes: BASE/t/tester.
    """

    state: str
    listen: str = "127.0.0.1:8097"
    database: str = ""
    base: str = "/grid/user"

    @property
    def pki(self) -> str:
        """The folder of the grid's certificate authority."""
        return os.path.join(self.state, "pki")
