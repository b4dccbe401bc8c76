"""What a launch goes by: time limits, names, kinds, short options, the source and the job's id."""

import os
import time
from pathlib import Path

import click
import pytest

from headless.cli.launch import _spell_out, launch
from headless.errors import ParameterError
from headless.job import JobKind
from headless.launcher.settings import LaunchSettings, check_name, parse_timeout
from headless.launcher.source import choose_name, make_job_id, read_source
from headless.protocol.messages import JOB_ID, NAME


def build_settings(**changes: str) -> LaunchSettings:
    """A launch of the module ``m`` unless something else is said."""
    job = {"module": None, "script": None, "code": None, "name": "", **(changes or {"module": "m"})}
    return LaunchSettings(
        service=None,
        timeout_s=None,
        user="",
        auth_type="osuser",
        secret="",
        ca_file="",
        certificate="",
        key="",
        is_proxied=False,
        module=job["module"],
        script=job["script"],
        code=job["code"],
        name=job["name"] or "",
        arguments=(),
        stdin=False,
        output=None,
        result=None,
        job_status=False,
        connect_for_s=30,
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("-1", -1),
        ("1", 1),
        ("0.5", 0.5),
        (".5", 0.5),
        ("5.", 5),
        ("007", 7),
        ("0.001", 0.001),
        ("31536000", 31_536_000),
    ],
)
def test_a_timeout_is_minus_one_or_plain_seconds(text: str, seconds: float) -> None:
    assert parse_timeout(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        *("0", "0.0", "-2", "-0", "-1.0", "abc", "1e9", "1e1", "nan", "inf", "0x10", "5s"),
        *("1_0", "+1", ".", "1.2.3", "0.0009", "31536001", "\u0663", "\u00b2"),
        *("", " 5", "5 ", "9" * 5000),
    ],
)
def test_any_other_timeout_is_refused_in_words(text: str) -> None:
    with pytest.raises(ParameterError, match=r"give -1 to wait as long as it takes, or seconds from 0\.001 to"):
        parse_timeout(text)


@pytest.mark.parametrize(
    "text",
    ["a", "nightly-report", "A.b_c@d+e:f-9", "x" * 128, "_x", "9", "", "-a", ".a", "a b", "x" * 129, "ä", "a\n"],
)
def test_the_launcher_takes_the_names_that_the_server_takes(text: str) -> None:
    if NAME.fullmatch(text):
        assert check_name(text, "--name") == text
    else:
        with pytest.raises(ParameterError, match="letters, digits"):
            check_name(text, "--name")


def test_the_kinds_of_a_launch_are_those_of_a_job() -> None:
    kinds = [build_settings(**{name: "x"}).kind for name in ("module", "script", "code")]
    assert kinds == list(JobKind)


@pytest.mark.parametrize(
    "words",
    [
        "-s a:1 -u batch -p FILE -c pass -t -1",
        "-sa:1 -ubatch -pFILE -cpass -t-1",
        "-t=5 -m x",
        "-qv -m x",
        "-vvv -m x",
        "-vvt5 -m x",
        "-q -v --verbose --quiet -mx",
        "--py_code pass --auth_type challenge --ca_file F --exit_code job --connect_for 3",
        "--py-code=pass --auth_type=challenge --timeout=-1",
        "--timeout -1 -o - --result=-",
        "-c -q -u --quiet",
        "-v -m x stray -",
        "--proxied --stdin --check -f -",
    ],
)
def test_spelled_out_options_mean_the_same(words: str) -> None:
    def parse(argv: list[str]) -> tuple[object, ...]:
        context = launch.make_context("headless", argv)
        return context.params, context.args

    assert parse(_spell_out(words.split())) == parse(words.split())


@pytest.mark.parametrize("words", [["-z"], ["-qz"], ["-q-v"], ["--nonsense"], ["--quiet=1"], ["-t"], ["-m", "x", "-p"]])
def test_wrong_options_stay_wrong(words: list[str]) -> None:
    with pytest.raises(click.UsageError):
        launch.make_context("headless", _spell_out(words))


def test_an_empty_value_stays_a_value() -> None:
    assert _spell_out(["-c", "", "-t", "-1"]) == ["--py-code=", "--timeout=-1"]


def test_a_job_is_named_after_what_it_runs() -> None:
    assert choose_name(build_settings(module="nightly")) == "nightly"
    assert choose_name(build_settings(code="pass")) == "code"
    assert choose_name(build_settings(script="/a/b/report.py")) == "report.py"
    assert choose_name(build_settings(script="/a/..é b!.py")) == "__b_.py"
    assert choose_name(build_settings(script="/a/...")) == "script"
    assert choose_name(build_settings(module="nightly", name="mine")) == "mine"
    assert NAME.fullmatch(choose_name(build_settings(script="/a/" + "x" * 255)))


def test_a_job_id_is_a_ulid_that_sorts_by_time() -> None:
    assert make_job_id(0, bytes(10)) == "0" * 26
    assert make_job_id((1 << 48) - 1, b"\xff" * 10) == "7" + "Z" * 25
    assert make_job_id(1, bytes(10)) == "0" * 9 + "1" + "0" * 16
    now = time.time_ns() // 1_000_000
    first, second = make_job_id(now, os.urandom(10)), make_job_id(now + 1, os.urandom(10))
    assert first < second
    assert JOB_ID.fullmatch(first)


def test_a_source_travels_byte_for_byte(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    for source in (b"", b"\xef\xbb\xbfprint(1)\r\n", b"# coding: latin-1\nprint('\xe9')\n", "print('é')".encode()):
        script.write_bytes(source)
        assert read_source(build_settings(script=str(script))) == source
    assert read_source(build_settings(code="print('é')")) == "print('é')".encode()
    assert read_source(build_settings(module="x")) == b""


@pytest.mark.parametrize(
    ("source", "place"),
    [
        (b"x = '\xe9'\n", "byte 0xe9 in line 1"),
        (b"\n\n# \xff\n", "byte 0xff in line 3"),
        (b"# coding: no-such\n'\xe9'", "byte 0xe9 in line 2"),
        (b"# coding: ascii\n'\xe9'", "byte 0xe9 in line 2"),
    ],
)
def test_a_script_in_no_known_encoding_is_refused_with_the_place(tmp_path: Path, source: bytes, place: str) -> None:
    script = tmp_path / "script.py"
    script.write_bytes(source)
    with pytest.raises(ParameterError, match=f"is not UTF-8 \\({place}\\): save it as UTF-8, or declare"):
        read_source(build_settings(script=str(script)))
