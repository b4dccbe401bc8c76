"""A host's history as spans: the same in whatever order its reports come."""

from itertools import accumulate, pairwise

from hypothesis import given
from hypothesis import strategies as st

from headless.inventory.collect.members import pack, unpack
from headless.inventory.collect.timeline import HORIZON_S, Span, State, pack_times, place, unpack_times

A, B = State(1, 1), State(2, 1)
reports = st.lists(
    st.tuples(st.integers(0, 30), st.sampled_from([A, B, State(1, 2)])),
    min_size=1,
    max_size=12,
    unique_by=lambda x: x[0],
)


def build(found: list[tuple[int, State]]) -> list[Span]:
    spans: list[Span] = []
    for time, state in found:
        spans = place(spans, time, state)
    return spans


@given(reports, st.randoms())
def test_the_order_in_which_reports_come_does_not_matter(found: list[tuple[int, State]], random: object) -> None:
    expected = build(sorted(found))
    random.shuffle(found)  # type: ignore[attr-defined]  # hypothesis' own
    assert build(found) == expected


@given(reports)
def test_the_spans_say_what_the_reports_said(found: list[tuple[int, State]]) -> None:
    spans = build(found)
    assert {time: span.state for span in spans for time in span.times} == dict(found)
    assert all(one.state != other.state for one, other in pairwise(spans))


def test_a_late_report_divides_a_span_where_it_belongs() -> None:
    spans = build([(1, A), (5, A), (9, A)])
    assert place(spans, 6, B) == [Span((1, 5), A), Span((6,), B), Span((9,), A)]


@given(st.lists(st.integers(0, 2**31 - 1), min_size=1, unique=True).map(sorted))
def test_times_and_members_are_read_as_written(numbers: list[int]) -> None:
    assert unpack_times(numbers[0], numbers[-1], pack_times(numbers)) == tuple(numbers)
    assert unpack(pack(numbers)) == numbers


@given(st.lists(st.sampled_from([1, 2, 127, 128, 300, 16_383, 16_384, 2**21]), max_size=60), st.integers(0, 400))
def test_members_near_and_far_apart_are_read_as_written(distances: list[int], near: int) -> None:
    numbers = list(accumulate([*distances, *[1] * near]))
    assert unpack(pack(numbers)) == numbers


def test_times_before_the_horizon_are_left_out() -> None:
    spans = build([(1, A), (2, A), (HORIZON_S + 100, A), (HORIZON_S + 200, A)])
    assert spans == [Span((1, HORIZON_S + 100, HORIZON_S + 200), A)]
