"""Idle sessions through a proxy that ends what is silent for too long, as firewalls and load balancers do."""

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator

import pytest

from support import TIME_SCALE, World

SILENCE_S = 1.5 * TIME_SCALE


class _ImpatientProxy:
    """Relays one connection after the other; ends each after :data:`SILENCE_S` without a byte either way."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self.ended = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.service = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # the listener is closed: the test is over
            while True:
                channel, _ = self.listener.accept()
                with channel, socket.create_connection(self._target) as server:
                    self._relay(channel, server)

    def _relay(self, channel: socket.socket, server: socket.socket) -> None:
        with selectors.DefaultSelector() as waiting:
            for one, other in ((channel, server), (server, channel)):
                waiting.register(one, selectors.EVENT_READ, other)
            while True:
                ready = waiting.select(SILENCE_S)
                if not ready:
                    self.ended += 1
                    return
                for key, _ in ready:
                    data = key.fileobj.recv(65536)  # type: ignore[union-attr]
                    if not data:
                        return
                    key.data.sendall(data)


@contextlib.contextmanager
def _impatient_proxy(target: str) -> Iterator[_ImpatientProxy]:
    proxy = _ImpatientProxy(target)
    try:
        yield proxy
    finally:
        proxy.listener.shutdown(socket.SHUT_RDWR)
        proxy.listener.close()
        proxy.thread.join()


@pytest.mark.parametrize(("ping_s", "is_kept"), [("0.3", True), ("60", False)])
def test_the_servers_pings_keep_an_idle_session_alive(world: World, ping_s: str, is_kept: bool) -> None:
    """With rare pings the proxy ends the session: the launcher comes back, and the proxy is one that counts."""
    server = world.serve("--ping-interval", ping_s)
    login = server.add_user("batch", "--allow-code")
    with _impatient_proxy(server.service) as proxy:
        words = [*login, "-s", proxy.service, "-t", "-1", "-o", "-", "-v"]
        done = world.run(*words, "-c", f"import time; time.sleep({3 * SILENCE_S}); print('done')", limit_s=60)
        ended = proxy.ended
    assert (done.returncode, done.stdout) == (0, b"done\n"), done.stderr
    assert (ended == 0) is is_kept
    assert (b"connected again" in done.stderr) is not is_kept
