"""Failed logins slow the next ones down: shown with a clock that only the test moves."""

import pytest

from headless.server.throttle import FREE_FAILURES, INTERVAL_S, LONGEST_S, MEMORY, Throttle


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def fail_often(throttle: Throttle, source: str, user: str, times: int = FREE_FAILURES) -> None:
    for _ in range(times):
        throttle.fail(source, user)


def test_nobody_waits_before_there_were_three_failures(clock: Clock) -> None:
    throttle = Throttle(clock)
    fail_often(throttle, "10.0.0.1", "batch", FREE_FAILURES - 1)
    assert throttle.reserve("10.0.0.1", "batch") == 0.0


def test_attempts_of_one_source_queue_up_one_after_the_other(clock: Clock) -> None:
    throttle = Throttle(clock)
    for number in range(FREE_FAILURES):
        throttle.fail("10.0.0.1", f"user{number}")
    assert [throttle.reserve("10.0.0.1", "batch") for _ in range(7)] == [1.0, 2.0, 3.0, 4.0, 5.0, None, None]
    clock.now += 3600
    assert throttle.reserve("10.0.0.1", "batch") == INTERVAL_S["source"]


def test_a_user_is_slowed_over_all_sources_but_less_than_a_source_is(clock: Clock) -> None:
    throttle = Throttle(clock)
    for number in range(FREE_FAILURES):
        throttle.fail(f"10.0.0.{number}", "batch")
    assert throttle.reserve("10.9.9.9", "batch") == INTERVAL_S["user"] < INTERVAL_S["source"]
    assert throttle.reserve("10.9.9.9", "other") == 0.0


def test_the_right_secret_waits_as_long_as_a_wrong_one_and_then_all_is_forgotten(clock: Clock) -> None:
    throttle = Throttle(clock)
    fail_often(throttle, "10.0.0.1", "batch")
    assert throttle.reserve("10.0.0.1", "batch") == INTERVAL_S["source"]
    throttle.succeed("10.0.0.1", "batch")
    assert throttle.reserve("10.0.0.1", "batch") == 0.0


def test_a_wait_is_never_longer_than_what_leaves_time_to_log_in(clock: Clock) -> None:
    throttle = Throttle(clock)
    fail_often(throttle, "10.0.0.1", "batch", 500)
    waits = [throttle.reserve("10.0.0.1", "batch") for _ in range(500)]
    assert max(wait for wait in waits if wait is not None) == LONGEST_S
    assert waits.count(None) == 495  # so many at once are not judged at all


def test_success_for_one_user_does_not_forget_the_failures_for_another(clock: Clock) -> None:
    throttle = Throttle(clock)
    fail_often(throttle, "10.0.0.1", "victim")
    throttle.succeed("10.0.0.1", "attacker")
    assert throttle.reserve("10.0.0.1", "victim") == INTERVAL_S["user"]


def test_what_is_remembered_is_bounded_and_the_oldest_goes(clock: Clock) -> None:
    throttle = Throttle(clock)
    fail_often(throttle, "first", "first")
    for number in range(MEMORY):
        throttle.fail(f"source{number}", f"user{number}")
    assert throttle.reserve("first", "first") == 0.0
    assert len(throttle._records) == MEMORY


def test_a_source_that_has_not_failed_is_never_turned_away_whatever_others_do(clock: Clock) -> None:
    throttle = Throttle(clock)
    for number in range(100):
        fail_often(throttle, f"10.0.0.{number}", "batch", FREE_FAILURES)
        throttle.reserve(f"10.0.0.{number}", "batch")
    assert throttle.reserve("192.0.2.1", "batch") == LONGEST_S
