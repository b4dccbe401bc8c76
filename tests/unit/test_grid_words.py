"""How a typed line becomes commands, and what aliases make of them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzzing import FUZZ
from headless.grid.messages import GridError
from headless.grid.shell.aliases import expand_aliases, read_aliases
from headless.grid.shell.words import Step, Unfinished, read_steps, split_line


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("", []),
        (" ;; \n ; ", []),
        ("pwd", [Step(("pwd",))]),
        ("cd x; ls -l", [Step(("cd", "x")), Step(("ls", "-l"))]),
        ("cd x\nls", [Step(("cd", "x")), Step(("ls",), line=2)]),
        ("rm 'a;b' \"c|d\" e\\;f g\\ h", [Step(("rm", "a;b", "c|d", "e;f", "g h"))]),
        ("rm 'a\nb'; ls", [Step(("rm", "a\nb")), Step(("ls",), line=2)]),
        ("ls a\\\n b", [Step(("ls", "a", "b"))]),
        ('echo \'a\\b\' "a\\b\\"c\\$"', [Step(("echo", "a\\b", 'a\\b"c$'))]),
        ("echo '' \"\"x", [Step(("echo", "", "x"))]),
        ("ls | grep 'a;b' | wc -l; pwd", [Step(("ls",), "grep 'a;b' | wc -l"), Step(("pwd",))]),
        ("ls|cat", [Step(("ls",), "cat")]),
        ("!echo a | cat ; ls", [Step((), "echo a | cat"), Step(("ls",))]),
        ('!echo \\; "x;y"', [Step((), 'echo \\; "x;y"')]),
        ("# only this\n ls # and this; rm x\nls a#b", [Step(("ls",), line=2), Step(("ls", "a#b"), line=3)]),
        ("ls ü", [Step(("ls", "ü"))]),
    ],
)
def test_a_line_is_split_as_a_shell_does(text: str, steps: list[Step]) -> None:
    assert split_line(text) == steps


@pytest.mark.parametrize("text", ["ls 'a", 'ls "a', "ls \\", "ls | grep 'a", '!echo "', 'ls "a\\"'])
def test_a_line_may_want_more_to_come(text: str) -> None:
    with pytest.raises(Unfinished):
        split_line(text)


@pytest.mark.parametrize("text", ["| cat", "ls |", "ls | ; pwd", "pwd; | cat"])
def test_a_pipe_needs_both_its_sides(text: str) -> None:
    with pytest.raises(GridError, match="line 1: a pipe needs a command on each side"):
        split_line(text)


def test_commands_come_with_the_lines_they_stand_in() -> None:
    lines = ["pwd\n", "\n", "# no\n", "rm 'a\n", "b'; ls\n", "mkdir x"]
    assert list(read_steps(lines)) == [
        Step(("pwd",)),
        Step(("rm", "a\nb"), line=4),
        Step(("ls",), line=5),
        Step(("mkdir", "x"), line=6),
    ]


def test_a_quote_that_stays_open_is_an_error_of_its_line_and_nothing_after_it_runs() -> None:
    steps = read_steps(["pwd\n", "rm 'x\n", "ls\n"])
    assert next(steps) == Step(("pwd",))
    with pytest.raises(GridError, match="is not closed"):
        next(steps)


@FUZZ
@given(st.lists(st.text(st.characters(exclude_characters="\0"), min_size=1), min_size=1))
def test_any_word_that_is_quoted_comes_through(words: list[str]) -> None:
    quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)
    assert [step.words for step in split_line(quoted)] == [tuple(words)]


@FUZZ
@given(st.text(alphabet="ab;|!#'\"\\ \n$"))
def test_any_line_is_read_or_refused_in_words(text: str) -> None:
    try:
        steps = split_line(text)
    except GridError as exc:
        assert exc.exit_code == 22
        return
    assert all(step.words or step.shell for step in steps)


ALIASES = {"hi": "pwd", "two": "cd x; ls -l", "ls": "ls -a", "a": "b", "b": "a", "count": "find . | wc", "sh": "!echo"}


@pytest.mark.parametrize(
    ("line", "steps"),
    [
        ("hi", [Step(("pwd",))]),
        ("echo this hi", [Step(("echo", "this", "hi"))]),
        ("two y", [Step(("cd", "x")), Step(("ls", "-a", "-l", "y"))]),
        ("ls z", [Step(("ls", "-a", "z"))]),
        ("a 1", [Step(("a", "1"))]),
        ("count -l", [Step(("find", "."), "wc -l")]),
        ("count | cat", [Step(("find", "."), "wc | cat")]),
        ("sh 'a b'", [Step((), "echo 'a b'")]),
        ("hi | cat", [Step(("pwd",), "cat")]),
    ],
)
def test_an_alias_is_a_first_word_only(line: str, steps: list[Step]) -> None:
    (step,) = split_line(line)
    assert expand_aliases(step, ALIASES) == steps


def test_the_file_of_aliases(tmp_path: Path) -> None:
    path = str(tmp_path / "aliases")
    assert read_aliases(path) == {}
    with open(path, "w") as file:
        file.write('# mine\nll = ls -l\nboth="cd x;ls"\n\nnothing\n=x\n')
    assert read_aliases(path) == {"ll": "ls -l", "both": "cd x;ls"}


@pytest.mark.parametrize("line", ["mkdir a && mkdir b", "a || b", "pwd > x", "pwd >x", "a < b", "a 2>x"])
def test_what_means_more_in_a_shell_is_refused(line: str) -> None:
    with pytest.raises(GridError, match="line 1: "):
        split_line(line, 1)


@pytest.mark.parametrize("line", ["a '&&' b", "a \\> b", 'a ">x"', "a b>c", "a R&D"])
def test_in_quotes_or_within_words_they_are_signs(line: str) -> None:
    assert len(split_line(line, 1)) == 1
