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
        idle_s: seconds without a command after which a session ends.
        session_s: seconds after which any session ends.
        max_sessions: at a time.
        rate_limit: points of one certificate above which commands wait; 0 for none.
        delay_s: a pause before each command, for tests and measurements.
    """

    state: str
    listen: str = "127.0.0.1:8097"
    database: str = ""
    base: str = "/grid/user"
    idle_s: float = 15 * 60
    session_s: float = 2 * 24 * 3600
    max_sessions: int = 4000
    rate_limit: int = 0
    delay_s: float = 0.0

    @property
    def pki(self) -> str:
        """The folder of the grid's certificate authority."""
        return os.path.join(self.state, "pki")
