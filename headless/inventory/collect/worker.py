"""The worker: takes what has come out of the spool, opens, checks and stores it, and keeps it as it came.

Every step can be done again: whatever ends the process, what was answered with OK is still in the spool, or is stored
and kept. So what is in a file of the spool is stored first, then kept, and only then is the file removed.
"""

import asyncio
import logging
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection

from headless.errors import Unavailable
from headless.inventory.collect.arrival import Identity, Outcome
from headless.inventory.collect.checks import FEW, explain_shrinkage, find_gone
from headless.inventory.collect.kept import Fate, Item, Kept, Record
from headless.inventory.collect.orders import carry_out_orders
from headless.inventory.collect.processing import Processor, Ready
from headless.inventory.collect.settings import CollectorSettings
from headless.inventory.collect.sizes import Latest, Sizes, count_kinds, read_newest
from headless.inventory.collect.spool import PART_BYTES, Letter, Spool, count_tries
from headless.inventory.collect.store import Store
from headless.inventory.collect.tally import Tally
from headless.inventory.package import Package

if sys.platform == "win32":
    raise ImportError("the collector runs on POSIX systems only")

__all__ = ["Worker"]

TRIES = 3  # ends of the process after which what it was opening is believed to be the reason
POLL_S = 1.0  # between looks at what other processes have put in, and decided
PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0  # while the database is away
BATCH = 200  # decided letters taken at a time
DAY_S = 86400

log = logging.getLogger("headless.inventory")
Result = TypeVar("Result")
Mark = Callable[[], AbstractContextManager[None]]


class Worker:
    """Takes out of the spool. One at a time: see :mod:`headless.inventory.collect.collector`.

    Attributes:
        unread: how many letters that were stored before could not be read again; they stay stored.
        why_unread: why not, of the last of them.
        tally: what it has done, and whether it goes on.
    """

    def __init__(self, settings: CollectorSettings, store: Store, spool: Spool, kept: Kept) -> None:
        self._settings = settings
        self._store = store
        self._spool = spool
        self._kept = kept
        self._processor = Processor(settings)
        # Opening lets go of the interpreter: beside it the other thread parses.
        self._threads = ThreadPoolExecutor(min(os.cpu_count() or 1, 4), "inventory-open")
        # What touches the disk waits there: for the disk, or for a command that writes what is kept.
        self._disk = ThreadPoolExecutor(1, "inventory-kept")
        self._sizes, self._losses = Sizes(), store.losses
        self._forgot = self._attended = 0.0
        self.unread, self.why_unread = 0, ""
        self.tally = Tally()

    async def run(self) -> None:
        """Work until cancelled."""
        self._spool.sweep()
        while True:
            try:
                self.tally.note_step()
                count = await self.work_off()
                self.tally.is_failing = False
                if not count:
                    await self._forget()
                    await self._spool.wait(POLL_S)
            except Exception:
                self.tally.is_failing = True
                log.exception("bug in the worker")  # it goes on: without it nothing is ever stored again
                await asyncio.sleep(LONGEST_PAUSE_S)

    async def work_off(self) -> int:
        """Process all that is there; return how many letters that were."""
        count = 0
        for names in self._spool.list_groups():
            count += await self._take_files(names) + await self._attend_now_and_then()
        while again := await self._at_disk(partial(self._kept.list_by_fate, Fate.AGAIN, limit=BATCH)):
            count += await self._take_decided(again, is_accepted=False) + await self._attend_now_and_then()
        return count + await self._attend()

    async def _attend_now_and_then(self) -> int:
        """Have nobody at a terminal wait for a whole backlog; but to look whether somebody does takes time too."""
        return await self._attend() if time.monotonic() >= self._attended + POLL_S else 0

    async def _attend(self) -> int:
        """Do what somebody waits for: what was accepted in a review, and orders; return how many they were."""
        count = 0
        while accepted := await self._at_disk(partial(self._kept.list_by_fate, Fate.ACCEPTED, limit=BATCH)):
            count += await self._take_decided(accepted, is_accepted=True)
        count += await carry_out_orders(self._store, self._kept)
        self._attended = time.monotonic()
        return count

    def close(self) -> None:
        """Let the threads go, once what they are at is done."""
        self._disk.shutdown()
        self._threads.shutdown()

    async def _take_decided(self, decided: Sequence[Item], *, is_accepted: bool) -> int:
        """Process them, as somebody has decided; those that may have ended a process one at a time."""
        fatal = [item for item in decided if item.tries >= TRIES]
        if fatal:
            held = await self._at_disk(lambda: [_hold_fatal(self._kept.read(item)) for item in fatal])
            await self._insist(lambda: self._keep(held))
        # What was stored once, perhaps as somebody had accepted it, needs no second look.
        for is_believed in (True, False):
            items = [item for item in decided if (is_accepted or item.was_stored) is is_believed and item.tries < TRIES]
            for group in [[item for item in items if not item.tries], *([item] for item in items if item.tries)]:
                parts = _divide(map(self._kept.read, group))
                while part := await self._at_disk(partial(next, parts, None)):
                    await self._process(part, partial(self._kept.mark, part), is_accepted=is_believed)
        return len(decided)

    async def _take_files(self, names: Sequence[str]) -> int:
        """Process what is in some files of the spool; those that may have ended a process come one at a time."""
        there = {name: letters for name in names if (letters := await self._read(name))}
        letters = [letter for some in there.values() for letter in some]
        if letters and count_tries(names[0]) >= TRIES:
            if len(letters) > 1:
                await self._insist(lambda: self._at_disk(partial(self._spool.split, names[0])))
                return 0
            held = [_hold_fatal(letters[0])]
            await self._insist(lambda: self._keep(held))
            self._count(letters, held)
        else:
            for part in _divide(letters):
                await self._process(part, partial(self._spool.mark, list(there)))
        for name in there:
            self._spool.remove(name)
        return len(letters)

    async def _read(self, name: str) -> list[Letter]:
        """Read a file of the spool; a damaged one is set aside, and nothing is in it."""
        try:
            return await self._insist(lambda: self._at_disk(partial(self._spool.read, name)))
        except (OSError, ValueError) as exc:
            log.error("spool-damaged file=%r reason=%r", name, str(exc))
            self._spool.set_aside(name)
            return []

    async def _process(self, letters: Sequence[Letter], mark: Mark, is_accepted: bool = False) -> None:
        """Store and keep letters; wait while the database is away.

        Args:
            letters: whole; none twice.
            mark: notes, for as long as its block runs, that they are being opened.
            is_accepted: somebody has looked at them.
        """
        fresh = await self._at_disk(partial(self._find_fresh, letters))
        opened = await self._insist(lambda: self._open(fresh, mark))
        records = [item for item in opened if isinstance(item, Record)]
        ready = [item for item in opened if isinstance(item, Ready)]
        ready = await self._at_disk(partial(self._leave_out_early, ready))
        if not is_accepted:
            ready, held = await self._insist(lambda: self._hold(ready))
            records += held
        records += await self._insist(lambda: self._store_all(ready))
        old = await self._at_disk(partial(self._find_refused, records))
        records = await self._at_disk(lambda: [self._leave_stored(record) for record in records])
        await self._insist(lambda: self._keep(records))
        self._count(letters, records)
        for record in records:
            if record.fate is not Fate.STORED:
                how, is_old = record.letter.how, record.letter in old
                log.log(
                    logging.DEBUG if is_old else logging.WARNING, "%s feed=%s address=%r host=%r reason=%r",
                    "still refused" if is_old else record.fate, how.feed, how.address, record.host, record.reason,
                )  # fmt: skip

    def _count(self, letters: Sequence[Letter], records: Sequence[Record]) -> None:
        """Count what has come, by what became of it; what left no record has come before."""
        fresh = [record for record in records if not record.letter.replaces]
        known = [record for record in fresh if record.reason == Outcome.REPLAY]
        new = Counter(str(record.fate) for record in fresh if record.reason != Outcome.REPLAY)
        self.tally.fates.update(new)
        self.tally.fates["replayed"] += len(known) + sum(not letter.replaces for letter in letters) - len(fresh)
        if new[Fate.STORED]:
            self.tally.last_stored = time.time()

    def _find_refused(self, records: Sequence[Record]) -> list[Letter]:
        """Those of the refused that were refused before."""
        again = [record.letter for record in records if record.fate is Fate.REFUSED and record.letter.replaces]
        known = [(letter, self._kept.find(letter)) for letter in again]
        return [letter for letter, item in known if item and item.fate is Fate.AGAIN and not item.was_stored]

    async def _open(self, letters: Sequence[Letter], mark: Mark) -> list[Ready | Record]:
        def work() -> list[Ready | Record]:
            with mark():  # not while the database is waited for: that is no fault of what is in them
                return list(self._threads.map(self._processor.process, letters))

        return await self._at_disk(work)

    async def _at_disk(self, step: Callable[[], Result]) -> Result:
        """Do a step in the one thread that touches what is kept, and the spool's files; it is done though we end."""
        return await asyncio.get_running_loop().run_in_executor(self._disk, step)

    def _find_fresh(self, letters: Sequence[Letter]) -> list[Letter]:
        """Leave out what is sealed and has come before: no two envelopes are made alike, so it is a replay."""
        fresh: dict[bytes, Letter] = {}
        plain: list[Letter] = []
        for letter in letters:
            if not self._processor.is_wrapped(letter.body):
                plain.append(letter)
            elif letter.replaces or letter.how.any_age or not self._kept.has_other(letter):
                fresh.setdefault(letter.digest, letter)
        return [*fresh.values(), *plain]

    def _leave_out_early(self, ready: Sequence[Ready]) -> list[Ready]:
        """Leave out replays from hosts whose clocks are ahead: such a report counts as of when it came first."""
        seen: set[bytes] = set()
        fresh: list[Ready] = []
        for item in ready:
            letter = item.letter
            if item.arrival.report.made > letter.how.received and not letter.replaces:
                if letter.digest in seen or self._kept.has_other(letter):
                    continue
                seen.add(letter.digest)
            fresh.append(item)
        return fresh

    async def _hold(self, ready: Sequence[Ready]) -> tuple[list[Ready], list[Record]]:
        """Part those whose lists have shrunk too much from the others."""
        return await self._store.read(lambda connection: self._part(connection, ready))

    def _part(self, connection: Connection, ready: Sequence[Ready]) -> tuple[list[Ready], list[Record]]:
        if self._losses != self._store.losses:
            self._sizes, self._losses = Sizes(), self._store.losses
        known = self._sizes.read(connection, [item.arrival for item in ready], FEW)
        passed, held = [], []
        lists: dict[Identity, Sequence[Package]] = {}
        for item in sorted(ready, key=lambda item: item.arrival.time):
            arrival, latest = item.arrival, known.get(item.arrival.identity)
            is_newer = latest is None or arrival.time >= latest.time
            if is_newer and (latest is None or arrival.digest != latest.digest):
                missing = {entry.source for entry in arrival.report.missing}
                kinds, before = count_kinds(arrival), latest.kinds if latest else Counter[str]()
                if reason := explain_shrinkage(kinds, before, missing, self._settings.shrink):
                    has_list = arrival.identity in lists
                    old = lists[arrival.identity] if has_list else read_newest(connection, arrival.identity)
                    gone = find_gone(old, arrival.report.packages)
                    report = arrival.report
                    held.append(Record(item.letter, Fate.HELD, reason, report.host, gone, report.site))
                    continue
                kinds.update({kind: before[kind] for kind in missing if not kinds[kind]})
                known[arrival.identity] = Latest(arrival.time, arrival.digest, kinds)
                lists[arrival.identity] = arrival.report.packages
            passed.append(item)
        return passed, held

    async def _store_all(self, ready: Sequence[Ready]) -> list[Record]:
        if not ready:
            return []
        try:
            verdicts = await self._store.store([item.arrival for item in ready])
        except Unavailable:
            raise
        except Exception as exc:
            if len(ready) > 1:  # one of them is the reason: the others are stored
                return [record for item in ready for record in await self._store_all([item])]
            log.exception("bug in the store")
            reason = f"it cannot be stored: {type(exc).__name__}"
            return [_record(ready[0], Fate.REFUSED, reason)]
        for item, verdict in zip(ready, verdicts, strict=True):
            if verdict.outcome is Outcome.CONFLICT:
                log.warning("conflict host=%r time=%d", item.arrival.report.host, item.arrival.time)
        return [_record(item, Fate.STORED, verdict.outcome) for item, verdict in zip(ready, verdicts, strict=True)]

    def _leave_stored(self, record: Record) -> Record:
        """Have what was stored, and cannot be read again, stay what it is: the inventory has it."""
        letter = record.letter
        item = self._kept.find(letter) if letter.replaces and record.fate is Fate.REFUSED else None
        if item is None or not item.was_stored:
            return record
        log.warning("not-read-again host=%r received=%d reason=%r", item.host, item.received, record.reason)
        self.unread, self.why_unread = self.unread + 1, record.reason
        return Record(letter, Fate.STORED, item.reason, item.host, site=item.site)

    async def _keep(self, records: Sequence[Record]) -> None:
        await self._at_disk(partial(self._kept.keep, records))

    async def _forget(self) -> None:
        if time.monotonic() < self._forgot + 3600 and self._forgot:
            return
        before = int(time.time()) - self._settings.retention_days * DAY_S
        while await self._insist(lambda: self._at_disk(partial(self._kept.forget, before))):
            pass
        self._forgot = time.monotonic()

    async def _insist(self, step: Callable[[], Awaitable[Result]]) -> Result:
        """Do a step, again and again while what it needs is away; that is told once, and its end."""
        pause_s, begun, is_told = PAUSE_S, time.monotonic(), False
        while True:
            try:
                result = await step()
            except Unavailable as exc:
                if not is_told:
                    log.error("waiting reason=%r", str(exc))
                is_told = self.tally.is_waiting = True
                self.tally.note_step()
                await asyncio.sleep(pause_s * random.uniform(0.8, 1.2))  # noqa: S311  # no secret
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            else:
                self.tally.note_step()
                self.tally.is_waiting = False
                if is_told:
                    log.info("going-on waited_s=%d", time.monotonic() - begun)
                return result


def _record(item: Ready, fate: Fate, reason: str) -> Record:
    return Record(item.letter, fate, reason, item.arrival.report.host, site=item.arrival.report.site)


def _hold_fatal(letter: Letter) -> Record:
    """Hold what has ended the process; if somebody lets it through, one more time is enough."""
    reason = f"the collector has ended {TRIES} times while it opened this"
    return Record(letter, Fate.HELD, reason, "", tries=TRIES - 1)


def _divide(letters: Iterable[Letter]) -> Iterator[list[Letter]]:
    """As many together as may be in memory, read."""
    part: list[Letter] = []
    size = 0
    for letter in letters:
        if part and size + len(letter.body) > PART_BYTES:
            yield part
            part, size = [], 0
        part.append(letter)
        size += len(letter.body)
    if part:
        yield part
