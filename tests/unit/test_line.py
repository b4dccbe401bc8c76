"""The waiting line: whose turn it is, by table and by chance."""

import random
from collections import Counter

from headless.server.line import Line


def test_a_place_is_reserved_while_there_is_one() -> None:
    line = Line(2, lambda _: 0)
    assert [line.reserve("anna") for _ in range(3)] == [True, True, False]
    line.leave("anna")
    assert line.running == 1
    assert line.reserve("bert")


def test_nobody_jumps_the_line() -> None:
    line = Line(1, lambda _: 0)
    assert line.reserve("anna")
    line.enqueue(1, "anna", "A")
    line.leave("anna")
    assert not line.reserve("bert")  # the place is for whom it was kept
    assert line.take() == "A"


def test_one_user_s_jobs_go_in_the_order_of_their_acceptance() -> None:
    line = Line(1, lambda _: 0)
    for seq in (3, 1, 2):
        line.enqueue(seq, "anna", f"J{seq}")
    order = []
    while (job := line.take()) is not None:
        order.append(job)
        line.leave("anna")
    assert order == ["J1", "J2", "J3"]


def test_a_user_with_a_thousand_jobs_does_not_keep_another_waiting() -> None:
    line = Line(4, lambda _: 0)
    for seq in range(1000):
        line.enqueue(seq, "many", f"m{seq}")
    line.enqueue(1000, "one", "o")
    taken = [line.take() for _ in range(4)]
    assert "o" in taken[:2]
    assert line.take() is None


def test_a_user_s_own_limit_leaves_places_for_the_others() -> None:
    line = Line(10, lambda _: 2)
    for seq in range(5):
        line.enqueue(seq, "anna", f"a{seq}")
        line.enqueue(seq + 100, "bert", f"b{seq}")
    taken = Counter(job[0] for job in iter(line.take, None))
    assert taken == {"a": 2, "b": 2}
    assert line.reserve("carl")


def test_a_job_that_leaves_the_line_is_never_taken() -> None:
    line = Line(1, lambda _: 0)
    line.enqueue(1, "anna", "A")
    line.enqueue(2, "anna", "B")
    line.remove(1, "anna", "A")
    line.remove(1, "anna", "A")
    line.remove(9, "nobody", "X")
    assert line.take() == "B"
    line.leave("anna")
    assert line.take() is None


def test_what_runs_counts_even_beyond_the_limit() -> None:
    line = Line(1, lambda _: 0)
    line.occupy("anna")
    line.occupy("anna")
    line.enqueue(1, "bert", "B")
    line.leave("anna")
    assert line.take() is None
    line.leave("anna")
    assert line.take() == "B"


def test_whatever_happens_each_job_is_taken_once_and_no_limit_is_passed() -> None:
    chance = random.Random(7)
    for _ in range(50):
        most, most_each = chance.randint(1, 5), chance.randint(0, 3)
        line = Line(most, {"a": most_each, "b": most_each, "c": most_each}.__getitem__)
        running: list[tuple[str, str]] = []
        waiting: dict[str, str] = {}
        taken: Counter[str] = Counter()
        for seq in range(300):
            user, job = chance.choice("abc"), f"J{seq}"
            line.enqueue(seq, user, job)
            waiting[job] = user
            while chance.random() < 0.7 and (turn := line.take()) is not None:
                taken[turn] += 1
                running.append((waiting.pop(turn), turn))
            assert line.running == len(running) <= most
            assert not most_each or max(Counter(name for name, _ in running).values(), default=0) <= most_each
            if running and chance.random() < 0.6:
                line.leave(running.pop(chance.randrange(len(running)))[0])
        assert set(taken.values()) <= {1}
