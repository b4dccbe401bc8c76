"""``headless inventory report``: gather, and write or send."""

from typing import BinaryIO

import click

from headless.inventory.gather.dpkg import read_dpkg
from headless.inventory.gather.system import read_system
from headless.inventory.text import write_text

__all__ = ["report"]


@click.command()
@click.option("--site", required=True, metavar="NAME", help="the site this host belongs to")
@click.option("--tag", default="", metavar="NAME", help="a group of hosts")
@click.option(
    "--output", default="-", type=click.File("wb", lazy=False), metavar="FILE", help="where to; -: standard output"
)
def report(site: str, tag: str, output: BinaryIO) -> None:
    """Gather what is installed on this machine, and write or send it."""
    output.write(write_text(read_system(site=site, tag=tag, packages=tuple(read_dpkg()))))
