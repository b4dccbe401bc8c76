"""What ``headless jobs`` takes: spans of time, ids and parts of ids, the session's options in every command."""

from typing import Any

import click
import pytest

from headless.cli.jobs import jobs
from headless.cli.jobs_look import parse_span
from headless.cli.launch import launch
from headless.cli.session import SESSION_NAMES
from headless.errors import ParameterError
from headless.launcher.history import parse_job_id


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("0", 0), ("90", 90), ("90s", 90), ("30m", 1800), ("12h", 43200), ("2d", 172800), ("1w", 604800)),
        *(("0.5d", 43200), ("10000000000", 1e10)),
    ],
)
def test_a_span_is_a_number_with_a_unit(text: str, seconds: float) -> None:
    assert parse_span("--since", text) == seconds


@pytest.mark.parametrize(
    "text", ["", "-1", "2 d", "d", "2y", "2D", "1e3", "inf", "nan", "1.d", "\u0663d", "999999w", "9" * 5000, "2d\n"]
)
def test_any_other_span_is_refused_in_words(text: str) -> None:
    with pytest.raises(ParameterError, match=r"--since .*: give a number with s, m, h, d or w behind it, such as 2d"):
        parse_span("--since", text)


@pytest.mark.parametrize("text", ["01JD3Z0000000000000000TEST", "01jd3z", "00test", "0" * 25])
def test_an_id_may_be_whole_or_a_part_in_either_case(text: str) -> None:
    assert parse_job_id(text) == text.upper()


@pytest.mark.parametrize("text", ["", "01JD3", "0" * 27, "01JD3U", "../../etc", "\u0131" * 6, "01JD3Z\n", "-" * 6])
def test_what_can_be_no_id_is_refused_before_anything_is_asked(text: str) -> None:
    with pytest.raises(ParameterError, match="is no job id: give its 26 characters, or at least 6 of"):
        parse_job_id(text)


def find_options(command: click.Command) -> dict[str, Any]:
    """What matters of the options of a session."""
    return {
        option.name: (set(option.opts), option.envvar, option.default, option.is_flag, option.count, option.metavar)
        for option in command.params
        if isinstance(option, click.Option) and option.name in SESSION_NAMES
    }


@pytest.mark.parametrize("name", sorted(jobs.commands))
def test_every_command_has_the_launchers_options_of_a_session(name: str) -> None:
    found, wanted = find_options(jobs.commands[name]), find_options(launch)
    assert set(wanted) == set(SESSION_NAMES)
    assert found == {key: option for key, option in wanted.items() if key != "reconnect_for" or key in found}
    assert all(option[1] == f"HEADLESS_{str(key).upper()}" for key, option in found.items())


@pytest.mark.parametrize("name", sorted(jobs.commands))
def test_every_command_says_its_exit_status(name: str) -> None:
    command = jobs.commands[name]
    assert "Exit status" in f"{command.help} {command.epilog}"
