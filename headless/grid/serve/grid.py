"""All that the commands of a grid work on."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from headless.grid.serve.catalogue import Catalogue
from headless.grid.serve.envelopes import Envelopes
from headless.grid.serve.pki import Authority
from headless.grid.serve.settings import GridSettings
from headless.grid.serve.stores import Stores
from headless.grid.serve.xrootd import StorageClient

if TYPE_CHECKING:  # these need sessions and calls, which are made of a grid
    from headless.grid.serve.job_site import JobSite
    from headless.grid.serve.jobs import Jobs

__all__ = ["Grid"]


@dataclass(frozen=True)
class Grid:
    """The parts of a running grid.

    Attributes:
        present: the users who have sessions, and how many.
    """

    settings: GridSettings
    catalogue: Catalogue
    authority: Authority
    envelopes: Envelopes
    stores: Stores
    storage_client: StorageClient
    site: "JobSite"
    jobs: "Jobs"
    present: Counter[str] = field(default_factory=Counter)
