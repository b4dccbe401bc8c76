"""Options and words of a grid's commands."""

import pytest

from headless.grid.messages import GridError
from headless.grid.serve.arguments import parse_arguments


@pytest.mark.parametrize(("options", "flags", "values", "words"), [
    (["-la", "x"], {"l", "a"}, {}, ["x"]),
    (["x", "-l"], {"l"}, {}, ["x"]),
    (["-n", "5", "x"], set(), {"n": "5"}, ["x"]),
    (["-n5"], set(), {"n": "5"}, []),
    (["-ln5"], {"l"}, {"n": "5"}, []),
    (["--", "-l", "--"], set(), {}, ["-l", "--"]),
    (["-"], set(), {}, ["-"]),
    ([""], set(), {}, [""]),
])  # fmt: skip
def test_arguments(options: list[str], flags: set[str], values: dict[str, str], words: list[str]) -> None:
    found = parse_arguments(options, "la", "n")
    assert (set(found.flags), dict(found.values), list(found.words)) == (flags, values, words)


@pytest.mark.parametrize("options", [["-z"], ["-lz"], ["-n"], ["--long"]])
def test_what_is_refused(options: list[str]) -> None:
    with pytest.raises(GridError) as raised:
        parse_arguments(options, "la", "n")
    assert raised.value.exit_code == 22


@pytest.mark.parametrize("text", ["-1", "x", "", "1.5", "٣", "9" * 20])
def test_numbers(text: str) -> None:
    with pytest.raises(GridError):
        parse_arguments(["-n", text], "", "n").number("n", 0)
