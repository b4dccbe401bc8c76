"""The launcher's options as the schedule reads them, in all spellings."""

import math

import click
import pytest

from headless.cli.scheduled import parse_launch
from headless.errors import ParameterError


@pytest.mark.parametrize(
    "options",
    [
        ["-m", "tidy"],
        ["-mtidy"],
        ["--module", "tidy"],
        ["--module=tidy"],
        ["-vv", "-m", "tidy", "--", "-m", "other"],
        ["-qm", "tidy"],
        ["--ca_file", "/etc/ca.pem", "--check", "-m", "tidy"],
    ],
)
def test_the_module_is_found_in_every_spelling(options: list[str]) -> None:
    launch = parse_launch(options)
    assert launch.target == "tidy"
    assert launch.name == "headless-tidy"
    assert launch.words == tuple(options)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (["--py_file", "/srv/jobs/night run.py"], "headless-night-run"),
        (["--py-file=/srv/jobs/x.y.py"], "headless-x-y"),
        (["-f", "ü.py"], "headless-job"),
        (["--py_code=print(1)"], "headless-code"),
        (["-c", "print(1)"], "headless-code"),
        (["-m", "m" * 200], "headless-" + "m" * 80),
    ],
)
def test_the_entry_is_named_after_what_is_started(options: list[str], name: str) -> None:
    assert parse_launch(options).name == name


@pytest.mark.parametrize(
    ("options", "timeout_s", "limit_s"),
    [
        ([], None, 600),
        (["-t", "-1"], math.inf, None),
        (["-t-1"], math.inf, None),
        (["--timeout=-1"], math.inf, None),
        (["--timeout", "-1"], math.inf, None),
        (["-vt", "3600"], 3600, 3720),
        (["-t0.5"], 0.5, 121),
        (["-t", "5", "--timeout", "7"], 7, 127),
        (["-t", "60", "--splay", "900", "--connect-for", "120.5"], 60, 1201),
        (["--splay", "900"], None, 1500),
        (["-t", "60", "--splay", "0"], 60, 180),
    ],
)
def test_the_limit_lies_above_the_launchers_own(
    options: list[str], timeout_s: float | None, limit_s: int | None
) -> None:
    launch = parse_launch([*options, "-m", "tidy"])
    assert launch.timeout_s == timeout_s
    assert launch.limit_s == limit_s
    assert launch.waits == (timeout_s is not None)


@pytest.mark.parametrize(
    "options",
    [["-s", "h:1", "-p", "/s"], ["-sh:1", "-p/s"], ["--service=h:1", "--secret=/s"], ["--service", "h:1", "-qp", "/s"]],
)
def test_service_and_secret_are_found_and_the_secret_can_be_replaced(options: list[str]) -> None:
    words = [*options, "-m", "tidy", "--", "-p", "/other"]
    launch = parse_launch(words)
    assert (launch.service, launch.secret) == ("h:1", "/s")
    replaced = launch.replace_secret("/new")
    assert parse_launch([str(word) for word in replaced]).secret == "/new"
    assert "/s" not in replaced
    assert "/new" in replaced
    assert replaced[-3:] == ["--", "-p", "/other"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "none found"),
        (["--", "-m", "tidy"], "none found"),
        (["-m", "a", "-c", "b"], "several found"),
        (["-m"], "requires an argument"),
        (["-m", "a", "-t", "--", "-m", "a"], "requires an argument"),
        (["--secret"], "requires an argument"),
        (["-m", "a", "-t", "soon"], "'soon'"),
        (["-m", "a", "-t", "-2"], "'-2'"),
        (["-m", "a", "-t", "nan"], "'nan'"),
        (["-m", "a", "-t", "inf"], "'inf'"),
        (["-m", "a", "file"], "'file' is no option"),
        (["-m", "a", "-v", "file"], "'file' is no option"),
        (["file", "-m", "a"], "'file' is no option"),
        (["-m", "a", "-x"], "No such option"),
        (["-m", "a", "-s", "host"], "has no port"),
    ],
)
def test_what_is_no_launch_is_refused(options: list[str], words: str) -> None:
    with pytest.raises((ParameterError, click.UsageError), match=words):
        parse_launch(options)
