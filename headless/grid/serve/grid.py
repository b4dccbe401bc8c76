"""All that the commands of a grid work on."""

from dataclasses import dataclass

from headless.grid.serve.catalogue import Catalogue
from headless.grid.serve.settings import GridSettings

__all__ = ["Grid"]


@dataclass(frozen=True)
class Grid:
    """The parts of a running grid."""

    settings: GridSettings
    catalogue: Catalogue
