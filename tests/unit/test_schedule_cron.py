"""The file for /etc/cron.d: quoting, lock, folder, and what is refused."""

import shlex
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headless.errors import ParameterError
from headless.schedule.cron import COMMAND_LIMIT, build_cron_file
from headless.schedule.expression import parse_expression

AT = parse_expression("17 3 * * *")
WORDS = st.lists(st.text(st.sampled_from("ab \\%'\"$;*#ü~"), max_size=12), max_size=5)


def build(argv: Sequence[str], **given: str | None) -> str:
    """Build a file with ordinary values for all that is not given."""
    values: dict[str, str | None] = {"name": "nightly", "user": "batch", **given}
    return build_cron_file(AT, argv, **values)  # type: ignore[arg-type]


def command_of(text: str) -> str:
    """The command of the one line that is no comment and no variable."""
    return text.splitlines()[-1].split(" ", 6)[6]


def as_cron_reads(command: str, *, joins_backslashes: bool) -> str:
    r"""What cron hands to the shell: ``\%`` is ``%``; some implementations make ``\`` of ``\\`` too."""
    taken = "%\\" if joins_backslashes else "%"
    result, escaped = "", False
    for letter in command:
        assert letter != "%" or escaped, "an unescaped % ends the command"
        if escaped and letter in taken:
            result = result[:-1]
        escaped = letter == "\\" and not escaped
        result += letter
    return result


def test_the_file_has_environment_user_column_and_a_final_line_end() -> None:
    text = build(["/usr/bin/headless", "-m", "tidy"])
    assert text.splitlines()[1:] == [
        "SHELL=/bin/sh",
        "PATH=/usr/local/bin:/usr/bin:/bin",
        'MAILTO="root"',
        "17 3 * * * batch /usr/bin/headless -m tidy",
    ]
    assert text.startswith("# /etc/cron.d/nightly: ")
    assert text.endswith("tidy\n")


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("plain", "plain"),
        ("two words", "'two words'"),
        ("+%F %T", r"'+\%F \%T'"),
        ("it's", "'it'\"'\"'s'"),
        ("$HOME", "'$HOME'"),
        (r"\\host\share", r"'\''\host\share'"),
        (r"\%", r"'\''\%'"),
        ("", "''"),
    ],
)
def test_a_word_is_quoted_for_the_shell_and_then_for_cron(word: str, written: str) -> None:
    assert command_of(build(["/p", word])) == f"/p {written}"


@pytest.mark.parametrize("joins_backslashes", [True, False])
@given(words=WORDS)
def test_the_shell_gets_the_words_back_whatever_cron_does_to_backslashes(
    joins_backslashes: bool, words: list[str]
) -> None:
    command = command_of(build(["/p", *words]))
    assert shlex.split(as_cron_reads(command, joins_backslashes=joins_backslashes)) == ["/p", *words]


@pytest.mark.parametrize(
    ("given", "command"),
    [
        ({"lock": ""}, '/usr/bin/flock -n -o -E 6 "$HOME"/.nightly.lock /p'),
        ({"lock": "/run/my job"}, "/usr/bin/flock -n -o -E 6 '/run/my job' /p"),
        ({"working_folder": "/srv/a b"}, "cd '/srv/a b' && /p"),
        ({"working_folder": "/srv", "lock": "/l"}, "cd /srv && /usr/bin/flock -n -o -E 6 /l /p"),
    ],
)
def test_lock_and_folder_stand_before_the_program(given: dict[str, str | None], command: str) -> None:
    assert command_of(build(["/p"], **given)) == command


def test_a_command_is_refused_from_the_first_byte_that_cron_would_refuse() -> None:
    fill = COMMAND_LIMIT - len("/p ")
    assert len(command_of(build(["/p", "a" * fill]))) == COMMAND_LIMIT
    with pytest.raises(ParameterError, match="999 bytes"):
        build(["/p", "a" * (fill + 1)])
    with pytest.raises(ParameterError, match="at most 998"):
        build(["/p", "ü" * (fill // 2)])


@pytest.mark.parametrize(
    ("argv", "given", "words"),
    [
        (["/p", "a\nb"], {}, "line end"),
        (["/p", "a\0b"], {}, "control character"),
        (["/p", "\udcff"], {}, "not text"),
        (["/p"], {"working_folder": "/a\n* * * * * root x"}, "line end"),
        (["/p"], {"lock": "/a\n"}, "line end"),
        (["/p"], {"name": "night.ly"}, "dot"),
        (["/p"], {"name": "../x"}, "not usable"),
        (["/p"], {"name": ""}, "not usable"),
        (["/p"], {"user": "a b"}, "no.* OS user"),
        (["/p"], {"user": "a\n"}, "OS user"),
        (["/p"], {"mailto": "root\nx"}, "MAILTO"),
        (["/p"], {"mailto": 'a"b'}, "MAILTO"),
    ],
)
def test_what_would_break_the_file_is_refused(argv: list[str], given: dict[str, str | None], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        build(argv, **given)


def test_nobody_gets_mail_if_the_address_is_empty() -> None:
    assert 'MAILTO=""\n' in build(["/p"], mailto="")
