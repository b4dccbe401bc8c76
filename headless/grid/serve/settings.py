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
        storages: names and absolute folders of the grid's own storages; or URLs, of those that run elsewhere.
        storage_port: where the first of them listens, the others behind it; 0 for any.
        envelope_lifetime_s: seconds for which files may be read or written with leave once given.
        scrub_days: after so many days each replica is read again, to see whether it still is what it was; 0 for never.
        max_files: that a user may have, unless ``fquota set`` says otherwise.
        max_bytes: of all files of a user, the same way.
        jobs: whose are run: ``off`` nobody's, ``role`` of users with the role "jobs" and of administrators, ``all``.
        max_jobs: how many run at once; 0 for one a processor.
        run_as: the OS user that they run as; empty for the server's own, if that is not root.
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
    storages: tuple[tuple[str, str], ...] = ()
    storage_port: int = 0
    envelope_lifetime_s: float = 43_200.0
    scrub_days: int = 30
    max_files: int = 1_000_000
    max_bytes: int = 1 << 40
    jobs: str = "role"
    max_jobs: int = 0
    run_as: str = ""

    @property
    def pki(self) -> str:
        """The folder of the grid's certificate authority."""
        return os.path.join(self.state, "pki")

    @property
    def places(self) -> int:
        """How many jobs run at once."""
        return self.max_jobs or os.cpu_count() or 1
