"""The grid's database."""

import headless.grid.serve.job_schema  # noqa: F401  # its tables are part of the schema
from headless.database.database import Database
from headless.grid.serve import counting  # noqa: F401  # its triggers belong to the tables
from headless.grid.serve.schema import CATALOGUE

__all__ = ["Catalogue"]


class Catalogue(Database):
    """Users, files, storage, jobs: ``catalogue.db`` in the state folder, or PostgreSQL by URL."""

    schema = CATALOGUE
