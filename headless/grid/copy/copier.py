"""Copies files between this machine and the grid: many at a time, metadata ahead of the bytes.

Every file has a thread, from its first question to the server to its registration. Only so many of them may move bytes
at a time; the others ask ahead, or register. Each asks with whichever session is free.
"""

import errno
import os
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import replace

from headless.grid.copy.one import copy_one
from headless.grid.copy.pool import SESSIONS, SessionPool
from headless.grid.copy.storage import set_up_client
from headless.grid.copy.values import CopyOptions, Transfer, TransferResult
from headless.grid.copy.work import Gauge, Work
from headless.grid.messages import GridError
from headless.grid.session import GridSession

__all__ = ["Copier", "fetch", "store"]

GATHERED = 64  # results for which one fsync of their folders is enough
GOODBYE_S = 3.0  # for what is under way when a run is cancelled, until its temporary files are gone


class Copier:
    """Copies, with a session and more of its kind that are opened as needed.

    Attributes:
        pool: the sessions; nothing else may use the one given until the copier is closed.
        gauge: how far it is.
    """

    def __init__(self, session: GridSession, options: CopyOptions) -> None:
        """Raises:
        ParameterError: XRootD is not installed.
        """
        set_up_client(options)
        self.pool = SessionPool(session)
        self.gauge = Gauge()
        self._work = Work(self.pool, options, threading.BoundedSemaphore(options.parallel), gauge=self.gauge)
        self._most = options.parallel + SESSIONS

    def run(self, transfers: Iterable[Transfer | TransferResult]) -> Generator[TransferResult, None, None]:
        """Copy.

        Args:
            transfers: taken as needed, in a thread of their own; results among them are passed on.

        Yields:
            A result for each, as the files end. Close the iterator to cancel what is left.

        Raises:
            Exception: what ``transfers`` raise, after the results of all that came before.
        """
        run = _Run(self._work, self._most)
        try:
            yield from run.results(transfers)
        finally:
            run.end()

    def close(self) -> None:
        """End the sessions that were opened for copying. Never raises."""
        self._work.cancelled.set()
        self.pool.close()


class _Run:
    """The threads of one run."""

    def __init__(self, work: Work, most: int) -> None:
        self._work = work
        self._most = most
        self._tasks: queue.Queue[Transfer | None] = queue.Queue(most)
        self._news: queue.SimpleQueue[TransferResult | BaseException | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def results(self, transfers: Iterable[Transfer | TransferResult]) -> Iterator[TransferResult]:
        """See :meth:`Copier.run`."""
        self._start(lambda: self._feed(transfers))
        failure: BaseException | None = None
        ended = 0
        while ended < len(self._threads):
            news = self._take_news()
            self._work.folders.sync()  # before anybody is told of a file, the name that it has is on disk
            for item in news:
                if item is None:
                    ended += 1
                elif isinstance(item, TransferResult):
                    error = self._work.folders.take_error(item.path)
                    yield _lose(item, error) if error else item
                else:
                    failure = failure or item
        if failure is not None:
            raise failure

    def _take_news(self) -> list[TransferResult | BaseException | None]:
        """All that there are; at least one."""
        news = [self._news.get()]
        with suppress(queue.Empty):
            while len(news) < GATHERED:
                news.append(self._news.get_nowait())
        return news

    def end(self) -> None:
        """Have all threads end, cancelled; whoever still hangs in the network is left behind."""
        if any(thread.is_alive() for thread in self._threads):
            self._work.cancelled.set()
        deadline = time.monotonic() + GOODBYE_S
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0))
        for remove in list(self._work.under_way.values()):  # of those that hang
            remove()
        self._work.folders.sync()

    def _start(self, function: Callable[[], None]) -> None:
        """Raises:
        GridError: EAGAIN: the system grants no more threads.
        """

        def run() -> None:
            try:
                function()
            except BaseException as exc:  # noqa: BLE001  # raised again by the thread that reads the news
                self._news.put(exc)
            finally:
                self._news.put(None)

        thread = threading.Thread(target=run, daemon=True)
        try:
            thread.start()
        except RuntimeError as exc:
            raise GridError(errno.EAGAIN, f"this machine grants no thread to copy with: {exc}") from exc
        self._threads.append(thread)

    def _feed(self, transfers: Iterable[Transfer | TransferResult]) -> None:
        """Hand out the transfers; as many threads are started as there is work for."""
        gauge, workers = self._work.gauge, 0
        try:
            for item in transfers:
                if self._work.cancelled.is_set():
                    break
                if isinstance(item, TransferResult):
                    self._news.put(item)
                    continue
                gauge.planned_files += 1
                gauge.planned_bytes += max(item.source.size, 0) if item.source else 0
                self._tasks.put(item)
                if workers < self._most and (not workers or self._tasks.qsize()):
                    self._most = self._start_worker(workers)
                    workers = min(workers + 1, self._most)
            gauge.is_planned = True
        finally:
            for _ in range(workers):
                self._tasks.put(None)

    def _start_worker(self, workers: int) -> int:
        """Start one more; how many there may be: where the system grants no more threads, those that there are.

        Raises:
            GridError: EAGAIN: it grants none at all.
        """
        try:
            self._start(self._copy_many)
        except GridError:
            if not workers:
                raise
            return workers
        return self._most

    def _copy_many(self) -> None:
        while (transfer := self._tasks.get()) is not None:
            self._news.put(copy_one(self._work, transfer))


def _lose(result: TransferResult, error: OSError) -> TransferResult:
    """The result of a file whose name is not on disk."""
    words = f"{os.path.dirname(result.path)} cannot be synced: {error.strerror}"
    return replace(result, status="failed", code=error.errno or errno.EIO, error=words, size=0, md5="", storages=())


def fetch(session: GridSession, lfn: str, path: str, options: CopyOptions | None = None) -> TransferResult:
    """Download one file to a path, whole and verified or not at all.

    Args:
        session: logged in.
        lfn: absolute.
        path: absolute; its folder is made if it is not there.
        options: how; a file that is there is replaced only with ``force``.

    Raises:
        GridError: it failed.
    """
    return _copy_one(session, Transfer(lfn, path, False), options)


def store(
    session: GridSession, path: str, lfn: str, specs: str = "", options: CopyOptions | None = None
) -> TransferResult:
    """Upload one file to an LFN, registered and verified or not at all.

    Args:
        session: logged in.
        path: absolute.
        lfn: absolute; its folder must be there.
        specs: storage, as after ``@``; empty for what the server thinks best.
        options: how; a file that is there is replaced only with ``force``.

    Raises:
        GridError: it failed.
    """
    return _copy_one(session, Transfer(lfn, path, True, specs=specs), options)


def _copy_one(session: GridSession, transfer: Transfer, options: CopyOptions | None) -> TransferResult:
    copier = Copier(session, options or CopyOptions())
    try:
        with closing(copier.run([transfer])) as results:
            result = next(results)
            for _ in results:  # until its thread has ended
                pass
    finally:
        copier.close()
    if result.status == "failed":
        raise GridError(result.code, result.error)
    return result
