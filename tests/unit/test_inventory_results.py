"""What is kept for further pages."""

import pytest

from headless.inventory.ask import results as kept
from headless.inventory.ask.results import Results


def test_what_was_not_asked_for_longest_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "OWN", 0)
    results = Results(10)
    for key in "abc":
        results.put(key, key.upper(), 3)
    assert results.get("a") == "A"
    results.put("d", "D", 3)
    assert [results.get(key) for key in "abcd"] == ["A", None, "C", "D"]


def test_a_result_replaces_that_of_the_same_key_and_none_is_larger_than_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "OWN", 0)
    results = Results(10)
    for size in (4, 9, 5, 5, 10):
        results.put("a", size, size)
        assert results.get("a") == size
    results.put("b", "small", 0)
    assert results.get("a") == 10
    results.put("b", "too large", 11)
    assert results.get("b") is None and results.get("a") == 10


def test_results_of_no_rows_are_not_kept_without_end() -> None:
    results = Results(100)
    for key in range(1000):
        results.put(key, "nothing", 0)
    assert results.get(0) is None and results.get(999) == "nothing"
