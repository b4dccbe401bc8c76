"""A TCP proxy of a test's own that fails as networks do: it cuts, stalls and refuses connections."""

import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from plain_servers import reset
from support import TIME_SCALE

LIMIT_S = 60 * TIME_SCALE
PIECE = 4096


class TcpRelay:
    """Relays to a server; each connection may be given a number of bytes after which it is cut.

    Attributes:
        service: ``127.0.0.1:PORT``; the same for the relay's life.
        cuts: how many connections were cut for their number of bytes.
        passed: bytes of all connections that had such a number, both ways.
        change: makes of each piece what is passed on, of the same length: a broken network.
        pause_s: before each piece, of 4 KiB at most, is passed on, either way: a far or a narrow network.
    """

    def __init__(self, target: str, budgets: Iterable[int]) -> None:
        host, _, port = target.rpartition(":")
        self.cuts = 0
        self.passed = 0
        self.pause_s = 0.0
        self.change: Callable[[bytes], bytes] = bytes
        self._target = (host, int(port))
        self._budgets = itertools.chain(budgets, itertools.repeat(None))
        self._lock = threading.Lock()
        self._channels: set[socket.socket] = set()
        self._pairs: list[_Pair] = []
        self._threads: list[threading.Thread] = []
        self._flowing = threading.Event()
        self._flowing.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._place = self._listener.getsockname()
        self.service = f"127.0.0.1:{self._place[1]}"
        self.accept()

    def accept(self) -> None:
        """Take connections, again after :meth:`refuse`."""
        if self._listener.fileno() < 0:
            self._listener = socket.create_server(self._place)
        self._run(self._serve, self._listener)

    def refuse(self) -> None:
        """Cut all connections and take no more."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Reset all connections."""
        with self._lock:
            for channel in self._channels:
                with contextlib.suppress(OSError):
                    reset(channel)
                    channel.shutdown(socket.SHUT_RDWR)

    def limit(self, size: int) -> None:
        """Let so many bytes more pass on each open connection, both ways counted, and cut it then."""
        with self._lock:
            for pair in self._pairs:
                pair.budget = size

    def stall(self) -> None:
        """Pass nothing on, and say nothing of it."""
        self._flowing.clear()

    def resume(self) -> None:
        """Pass everything on again."""
        self._flowing.set()

    def close(self) -> None:
        """End it; every thread has ended afterwards."""
        self.refuse()
        self.resume()
        for thread in self._threads:
            thread.join(LIMIT_S)
            assert not thread.is_alive()

    def _run(self, function: object, *arguments: object) -> None:
        thread = threading.Thread(target=function, args=arguments)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return  # closed
            try:
                far = socket.create_connection(self._target, timeout=LIMIT_S)
            except OSError:
                reset(near)
                near.close()
                continue
            pair = _Pair(self, near, far, next(self._budgets))
            with self._lock:
                self._pairs.append(pair)

    def _pump(self, pair: "_Pair", source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(PIECE):
                self._flowing.wait(LIMIT_S)
                time.sleep(self.pause_s)
                target.sendall(self.change(data)[: pair.take(len(data))])
                if pair.is_spent:
                    break
        pair.close()


class _Pair:
    """Both sides of one relayed connection."""

    def __init__(self, relay: TcpRelay, near: socket.socket, far: socket.socket, budget: int | None) -> None:
        self.is_spent = False
        self._relay = relay
        self.budget = budget
        self._sides = (near, far)
        self._open = 2
        with relay._lock:
            relay._channels.update(self._sides)
        for source, target in (self._sides, self._sides[::-1]):
            source.settimeout(LIMIT_S)
            relay._run(relay._pump, self, source, target)

    def take(self, size: int) -> int:
        """How many of so many bytes may still pass."""
        with self._relay._lock:
            if self.budget is None:
                return size
            allowed = min(size, self.budget)
            self.budget -= allowed
            self._relay.passed += allowed
            if not self.budget and not self.is_spent:
                self.is_spent = True
                self._relay.cuts += 1
            return allowed

    def close(self) -> None:
        """Called once by each direction: the second one closes the sockets."""
        with self._relay._lock:
            self._open -= 1
            for side in self._sides:
                with contextlib.suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)
            if not self._open:
                for side in self._sides:
                    self._relay._channels.discard(side)
                    side.close()


@contextlib.contextmanager
def tcp_relay(target: str, budgets: Iterable[int] = ()) -> Iterator[TcpRelay]:
    """A relay to ``HOST:PORT``; its first connections are cut after so many bytes, both ways counted."""
    relay = TcpRelay(target, budgets)
    try:
        yield relay
    finally:
        relay.close()
