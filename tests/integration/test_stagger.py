"""Connecting to a host of several addresses: real listeners, a real black hole, no name server."""

import contextlib
import socket
import time
from collections.abc import Iterator

import pytest

from headless.transport.stagger import Place, connect_first, interleave
from support import TIME_SCALE

LIMIT_S = 10 * TIME_SCALE


@contextlib.contextmanager
def listening(host: str) -> Iterator[Place]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        yield family, listener.getsockname()


@contextlib.contextmanager
def black_hole() -> Iterator[Place]:
    """A listener whose queue is full: it answers no one."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(listener.getsockname())
        yield socket.AF_INET, listener.getsockname()


def closed_place() -> Place:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return socket.AF_INET, listener.getsockname()


def test_the_first_that_answers_wins_and_its_socket_waits_again() -> None:
    with (
        listening("::1") as six,
        listening("127.0.0.1") as four,
        connect_first([six, four], time.monotonic() + LIMIT_S) as channel,
    ):
        assert channel.getpeername()[:2] == six[1][:2]
        assert channel.getblocking()


def test_a_refusal_makes_room_for_the_next_at_once() -> None:
    with listening("127.0.0.1") as place:
        dead = [closed_place() for _ in range(20)]  # in turn, 250 ms each, they would take longer than the limit
        with connect_first([*dead, place], time.monotonic() + 4 * TIME_SCALE) as channel:
            assert channel.getpeername() == place[1]


def test_a_black_hole_stops_nobody() -> None:
    with (
        black_hole() as hole,
        listening("::1") as place,
        connect_first([hole, place], time.monotonic() + LIMIT_S) as channel,
    ):
        assert channel.getpeername()[:2] == place[1][:2]


def test_nothing_but_a_black_hole_is_given_up_in_time() -> None:
    with black_hole() as hole, pytest.raises(TimeoutError):
        connect_first([hole], time.monotonic() + 0.3)


def test_where_nobody_listens_the_last_error_is_told() -> None:
    with pytest.raises(ConnectionRefusedError):
        connect_first([closed_place(), closed_place()], time.monotonic() + LIMIT_S)


def test_an_address_of_no_use_is_passed_over() -> None:
    with listening("127.0.0.1") as place:
        bad = (socket.AF_INET6, ("not an address", 1))
        with connect_first([bad, place], time.monotonic() + LIMIT_S) as channel:
            assert channel.getpeername() == place[1]


def test_families_take_turns() -> None:
    six, four = [(10, str(n)) for n in range(3)], [(2, str(n)) for n in range(2)]
    assert interleave([*six, *four]) == [six[0], four[0], six[1], four[1], six[2]]
    assert interleave(four) == four
