"""What is kept for further pages."""

from headless.inventory.ask.results import Results


def test_what_was_not_asked_for_longest_goes_first() -> None:
    results = Results(10)
    for key in "abc":
        results.put(key, key.upper(), 3)
    assert results.get("a") == "A"
    results.put("d", "D", 3)
    assert [results.get(key) for key in "abcd"] == ["A", None, "C", "D"]


def test_a_result_replaces_that_of_the_same_key_and_none_is_larger_than_all() -> None:
    results = Results(10)
    for size in (4, 9, 5, 5, 10):
        results.put("a", size, size)
        assert results.get("a") == size
    results.put("b", "small", 0)
    assert results.get("a") == 10
    results.put("b", "too large", 11)
    assert results.get("b") is None and results.get("a") == 10
