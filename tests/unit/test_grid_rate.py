"""Points of who asks much."""

import pytest

from headless.grid.serve.rate import Rate


class Clock:
    """A clock that stands."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_above_the_limit_each_point_is_a_millisecond() -> None:
    rate = Rate(100, Clock())
    assert [rate.charge("a", 50), rate.charge("a", 50), rate.charge("a", 10)] == [0.0, 0.0, pytest.approx(0.010)]
    assert rate.charge("b", 1) == 0.0


def test_points_halve_in_five_minutes() -> None:
    clock = Clock()
    rate = Rate(100, clock)
    rate.charge("a", 180)
    clock.now = 300.0
    assert rate.charge("a", 10) == 0.0
    assert rate.charge("a", 10) == pytest.approx(0.010)


def test_no_wait_is_endless() -> None:
    assert Rate(100, Clock()).charge("a", 1_000_000) == 2.0


def test_no_limit() -> None:
    assert Rate(0, Clock()).charge("a", 1_000_000) == 0.0


def test_who_has_gone_is_forgotten() -> None:
    clock = Clock()
    rate = Rate(100, clock)
    for number in range(100):
        rate.charge(str(number), 10)
    clock.now = 3600.0
    rate.charge("new", 1)
    assert len(rate._points) == 1
