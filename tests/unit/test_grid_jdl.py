"""JDL: what is written is what is read, arguments change no structure, and no text makes the reader fail."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headless.grid.jdl import MAX_SIZE, Expression, Jdl, fill_arguments, format_jdl, parse_jdl
from headless.grid.messages import GridError

FULL = """
# a comment; with a semicolon
Executable = "/bin/fit.sh";   // another one
arguments = "--name \\"a b\\" --path C:\\\\x";
InputFile = {"LF:/grid/a.C", "LF:/grid/b#1.C",};
/* of several
   lines; */
TTL = 3600; Price = 1.5; Empty = {};
Requirements = (other.CE == "A;B") && member(other.Packages, "x");
Split = "production:1-5"
"""

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
VALUES = st.one_of(
    TEXTS, st.lists(TEXTS, max_size=5).map(tuple), st.integers(-(10**9), 10**9), st.just(Expression('a == "b;c"'))
)
FIELDS = st.dictionaries(NAMES, VALUES, min_size=1, max_size=8).filter(
    lambda fields: len({name.lower() for name in fields}) == len(fields)
)


def test_a_jdl_is_read() -> None:
    jdl = parse_jdl(FULL)
    assert jdl.fields == {
        "Executable": "/bin/fit.sh",
        "arguments": '--name "a b" --path C:\\x',
        "InputFile": ("LF:/grid/a.C", "LF:/grid/b#1.C"),
        "TTL": 3600,
        "Price": 1.5,
        "Empty": (),
        "Requirements": Expression('(other.CE == "A;B") && member(other.Packages, "x")'),
        "Split": "production:1-5",
    }
    assert jdl.read_text("EXECUTABLE") == "/bin/fit.sh"
    assert (jdl.read_list("Split"), jdl.read_number("ttl", 0), jdl.read_number("no", 7)) == (
        ("production:1-5",),
        3600,
        7,
    )


def test_of_two_fields_alike_the_later_one_counts() -> None:
    assert parse_jdl('A = "1"; a = "2";').fields == {"a": "2"}
    assert parse_jdl('A = "1";').replace({"a": "3"}).fields == {"a": "3"}


@given(FIELDS)
def test_what_is_written_is_read_as_the_same(fields: dict[str, str]) -> None:
    assert parse_jdl(format_jdl(Jdl(fields))).fields == fields


@given(TEXTS, TEXTS)
def test_an_argument_never_changes_the_structure(first: str, second: str) -> None:
    jdl = fill_arguments(parse_jdl('Executable = "$1"; Arguments = {"-x $2", "$1$2"};'), [first, second])
    assert jdl.fields == {"Executable": first, "Arguments": (f"-x {second}", f"{first}{second}")}
    assert parse_jdl(format_jdl(jdl)) == jdl


def test_an_argument_may_be_a_number() -> None:
    assert fill_arguments(parse_jdl("TTL = $1;"), ["60"]).read_number("TTL", 0) == 60


def test_a_missing_argument_is_told() -> None:
    with pytest.raises(GridError, match=r"wants \$2, and 1 arguments"):
        fill_arguments(parse_jdl('A = "$2";'), ["x"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("# nothing", "empty"),
        ("Executable", "line 1: '=' is missing"),
        ("a = 1;\nb = ;", "line 2: a value is missing"),
        ('a = "open;', "line 1"),
        ('a = {"x" "y"};', "',' or '}'"),
        ('a = {{"x"}};', "an item of a list"),
        ('a = {"x"', "',' or '}'"),
        ("=1;", "a field's name"),
        ("1a = 2;", "a field's name"),
    ],
)
def test_what_is_no_jdl_is_refused_with_its_line(text: str, reason: str) -> None:
    with pytest.raises(GridError, match=reason) as error:
        parse_jdl(text)
    assert error.value.exit_code == 22


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_jdl(text)
    except GridError as error:
        assert error.exit_code == 22


@pytest.mark.parametrize(
    "text",
    [
        "a = {" * 20_000,
        "{" * MAX_SIZE,
        "a = (" + "(" * 100_000,
        "/*" * 60_000,
        "#" * 120_000,
        'a = "' + "\\" * 120_000,
        "a = " + '"x" ' * 30_000,
        "a=1;" * 30_000,
        "".join(f"a{number}=1;" for number in range(12_000)),
        "a = {" + "1," * 60_000 + "}",
        "a" * (MAX_SIZE + 1),
        "$" * 120_000,
    ],
)
def test_a_hostile_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(GridError):
        assert parse_jdl(text).fields
