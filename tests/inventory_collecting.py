"""A collector within a test: its keys, feeds and folders."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headless.inventory.collect.collector import Collector, open_collector
from headless.inventory.collect.feeds import LOCAL, Feed
from headless.inventory.collect.kept import Fate, Item, Kept
from headless.inventory.collect.settings import CollectorSettings
from headless.inventory.collect.spool import Arrived, Letter
from headless.inventory.seal import seal
from headless.inventory.text import write_text
from inventory_identities import Holder
from inventory_support import make_report, read_history

PEER = "192.0.2.7"


@dataclass(frozen=True)
class Desk:
    """A collector that is opened when something is to be done."""

    settings: CollectorSettings
    holder: Holder

    def write(self, version: str = "1", **fields: Any) -> bytes:
        """A sealed report."""
        return seal(write_text(make_report(version, **fields)), [self.holder.certificate])

    def take(self, *bodies: bytes, feed: str = "main", address: str = PEER, received: int = 0) -> list[Item | None]:
        """Put bodies, have them processed; what became of each."""
        return self.take_letters(
            *(Letter(Arrived(received or int(time.time()), feed, address), body) for body in bodies)
        )

    def take_letters(self, *letters: Letter) -> list[Item | None]:
        """Put letters, have them processed; what became of each."""

        async def work(collector: Collector) -> None:
            await asyncio.gather(*(collector.spool.put_letter(letter) for letter in letters))
            await collector.worker.work_off()
            assert collector.spool.list_files() == []

        self.run(work)
        with closing(Kept(self.settings.kept)) as kept:
            return [kept.find(letter) for letter in letters]

    def run(self, function: Any) -> Any:
        """Run a function with the collector."""

        async def call() -> Any:
            async with open_collector(self.settings) as collector:
                return await function(collector)

        return asyncio.run(call())

    def read_histories(self) -> Mapping[Any, Sequence[Any]]:
        """What is stored."""

        async def ask(collector: Collector) -> Any:
            return await collector.store.read(read_history)

        found: Mapping[Any, Sequence[Any]] = self.run(ask)
        return found

    def list_held(self) -> list[Item]:
        """What waits for a review."""
        with closing(Kept(self.settings.kept)) as kept:
            return kept.list_by_fate(Fate.HELD)


@asynccontextmanager
async def work_in_background(collector: Collector) -> AsyncIterator[None]:
    """Have the worker run beside the block; what it is at when the block ends, it does again the next time."""
    task = asyncio.create_task(collector.worker.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def make_desk(folder: Path, holder: Holder, **settings: Any) -> Desk:
    """Make a collector with a feed ``main`` for a network, ``strict`` for sealed and signed ones of one site."""
    both = folder / "both.pem"
    both.write_bytes(holder.certificate_file.read_bytes() + holder.key_file.read_bytes())
    feeds = {
        "main": Feed(name="main", path="/main/", sites=("*",), networks=("192.0.2.0/24",)),
        "strict": Feed(
            name="strict",
            path="/strict/",
            sites=("SITE",),
            networks=("192.0.2.0/24",),
            sealed=True,
            signers=(str(holder.certificate_file),),
        ),
        LOCAL: Feed(name=LOCAL, path="", sites=("*",)),
    }
    values: dict[str, Any] = {"state": str(folder / "state"), "keys": (str(both),), "feeds": feeds}
    return Desk(CollectorSettings(**{**values, **settings}), holder)


def tell(item: Item | None) -> str:
    """What became of a letter, in words."""
    return "nothing" if item is None else f"{item.fate}: {item.reason}"


def plain(version: str = "1", **fields: Any) -> bytes:
    """A report that is not sealed."""
    return write_text(make_report(version, **fields))
