"""The command line that reports to a scripted collector, and what it has kept."""

import subprocess
from pathlib import Path

from inventory_collector import ScriptedCollector
from support import World


def words(world: World, url: str, *more: str, retry_for: int = 0) -> list[str]:
    """The command line that reports there."""
    root = str(world.home / "root")
    base = ["inventory", "report", "--site", "S", "--root", root, "--to", url, "--retry-for", str(retry_for)]
    return base + list(more)


def kept(world: World) -> list[Path]:
    """What is in the spool."""
    return sorted((world.home / ".local/state/headless/inventory").glob("*/*.report"))


def send(
    world: World, collector: ScriptedCollector, *more: str, retry_for: int = 0
) -> "subprocess.CompletedProcess[bytes]":
    """Report to a collector."""
    return world.run(*words(world, collector.url, *more, retry_for=retry_for))
