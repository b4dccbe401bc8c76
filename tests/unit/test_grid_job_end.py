"""What a job says of its own end, which may be anything: its program runs as the same user."""

import math
from typing import Any

import pytest

from headless.grid.job_states import GridJobState
from headless.grid.serve.job_end import read_end, read_step
from headless.job import Ending, Outcome

DONE = {"state": "DONE", "reason": "", "states": [[1, "STARTED"], [2, "SAVING"]]}


def _read(word: Any, code: int = 0) -> tuple[str, str, str]:
    end = read_end(Outcome(ending=Ending.STATUS, code=code), (True, word))
    return end.state, end.reason, end.last


def test_a_good_end() -> None:
    assert _read(DONE) == (GridJobState.DONE, "", GridJobState.SAVING)


@pytest.mark.parametrize("states", [7, None, [1], [[1]], [[1, ["x"]]], [[1, "DONE"]], {"a": 1}, "STARTED"])
def test_states_that_are_none(states: Any) -> None:
    assert _read({**DONE, "states": states})[0] == GridJobState.DONE


@pytest.mark.parametrize("word", [{}, [], {**DONE, "state": []}, {**DONE, "state": 1}, {**DONE, "state": "WAITING"}])
def test_no_word_of_the_end_is_a_failure(word: Any) -> None:
    assert _read(word)[0] == GridJobState.ERROR_E


def test_a_reason_is_text_that_a_database_takes() -> None:
    _, reason, _ = _read({**DONE, "state": "ERROR_E", "reason": "a\udcff\0b"}, 1)
    assert reason.encode() == "a?\ufffdb".encode()


@pytest.mark.parametrize("step", [math.nan, math.inf, -1.0, 1e300])
def test_progress_that_is_none(step: float) -> None:
    assert read_step((step, step)) == read_step(None)
