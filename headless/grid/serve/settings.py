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
        jobs: whose are run: ``off`` nobody's, ``role`` of users with the role "jobs" and of administrators, ``all``.
        max_jobs: how many run at once; 0 for one a processor.
        run_as: the OS user that they run as; empty for the server's own, if that is not root.
    """

    state: str
    listen: str = "127.0.0.1:8097"
    database: str = ""
    base: str = "/grid/user"
    jobs: str = "role"
    max_jobs: int = 0
    run_as: str = ""

    @property
    def pki(self) -> str:
        """The folder of the grid's certificate authority."""
        return os.path.join(self.state, "pki")
