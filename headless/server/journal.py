"""The server's durable record of jobs and what became of them."""

from headless.database.database import Database
from headless.server.schema import JOURNAL

__all__ = ["Journal"]


class Journal(Database):
    """The database of the server's jobs: ``journal.db`` in the state folder, or PostgreSQL by URL."""

    schema = JOURNAL
