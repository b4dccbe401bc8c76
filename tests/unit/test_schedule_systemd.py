"""The service and its timer: calendar, quoting, limits, credential."""

from typing import Any

import pytest

from headless.errors import ParameterError
from headless.schedule.calendar import build_calendars
from headless.schedule.expression import parse_expression
from headless.schedule.systemd import HARDENING, Credential, build_service, build_timer


def service(argv: list[str | Credential], **given: Any) -> list[str]:
    """The lines of a service with ordinary values for all that is not given."""
    values = {"description": "Nightly", "user": "batch", "limit_s": 60, **given}
    return build_service(argv, **values).splitlines()


@pytest.mark.parametrize(
    ("text", "calendars"),
    [
        ("17 3 * * *", ("*-*-* 03:17:00",)),
        ("* * * * *", ("*-*-* *:*:00",)),
        ("*/15 * * * *", ("*-*-* *:00/15:00",)),
        ("5-59/10 * * * *", ("*-*-* *:05/10:00",)),
        ("0-30/10 9-17 * * *", ("*-*-* 09..17:00..30/10:00",)),
        ("0 0,12 * * *", ("*-*-* 00,12:00:00",)),
        ("0 8,9,10,22 * * *", ("*-*-* 08..10,22:00:00",)),
        ("0 0 1,15 * *", ("*-*-01,15 00:00:00",)),
        ("0 0 1 */3 *", ("*-01/3-01 00:00:00",)),
        ("0 0 * 6 *", ("*-06-* 00:00:00",)),
        ("0 0 * * 1-5", ("Mon..Fri *-*-* 00:00:00",)),
        ("0 0 * * 0,6", ("Sat,Sun *-*-* 00:00:00",)),
        ("0 0 * * 5-7", ("Fri..Sun *-*-* 00:00:00",)),
        ("0 0 * * 0,1", ("Mon,Sun *-*-* 00:00:00",)),
        ("0 0 13 * 5", ("*-*-13 00:00:00", "Fri *-*-* 00:00:00")),
        ("0 0 */2 * 1", ("Mon *-*-01/2 00:00:00",)),
        ("0 0 30 2 5", ("Fri *-02-* 00:00:00",)),
    ],
)
def test_an_expression_becomes_calendar_events(text: str, calendars: tuple[str, ...]) -> None:
    assert build_calendars(parse_expression(text)) == calendars


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("plain/a-b_c=1,2:3@4+5", "plain/a-b_c=1,2:3@4+5"),
        ("", '""'),
        ("two words", '"two words"'),
        ("+%F", '"+%%F"'),
        ("$HOME ${X}", '"$$HOME $${X}"'),
        ("it's", '"it\'s"'),
        ('say "hi"', r'"say \"hi\""'),
        (r"C:\new", r'"C:\\new"'),
        (";", '";"'),
        ("ü", '"ü"'),
    ],
)
def test_a_word_is_quoted_for_systemd(word: str, written: str) -> None:
    assert f"ExecStart=/bin/p {written}" in service(["/bin/p", word])


def test_a_credential_is_loaded_and_its_path_passed() -> None:
    lines = service(["/bin/p", "--secret", Credential("secret", "/etc/a%b/x y")])
    assert "ExecStart=/bin/p --secret ${CREDENTIALS_DIRECTORY}/secret" in lines
    assert "LoadCredential=secret:/etc/a%%b/x y" in lines


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"limit_s": 3720}, "TimeoutStartSec=3720"),
        ({"limit_s": None}, "TimeoutStartSec=infinity"),
        ({"working_folder": "/srv/50% off"}, "WorkingDirectory=/srv/50%% off"),
        ({"description": "100% $sure"}, "Description=100%% $sure"),
        ({"needs_network": True}, "After=network-online.target"),
        ({"state": "nightly"}, "StateDirectory=nightly"),
        ({"state": "nightly"}, "Environment=XDG_STATE_HOME=%S/nightly XDG_RUNTIME_DIR=%t/nightly"),
        ({"writable": ["/srv/out", "/srv/a $b"]}, 'ReadWritePaths=/srv/out "/srv/a $b"'),
        ({"user": "ops"}, "User=ops"),
    ],
)
def test_a_value_stands_in_its_line(given: dict[str, Any], line: str) -> None:
    assert line in service(["/bin/p"], **given)


def test_the_service_is_a_hardened_oneshot_that_is_never_enabled_by_itself() -> None:
    lines = service(["/bin/p"])
    assert "Type=oneshot" in lines
    assert "[Install]" not in lines
    assert "SuccessExitStatus" not in "\n".join(lines)
    assert lines[-len(HARDENING.splitlines()) :] == HARDENING.splitlines()


@pytest.mark.parametrize(
    ("argv", "given", "words"),
    [
        (["p"], {}, "no absolute path"),
        (["/bin/p", "a\nb"], {}, "line end"),
        (["/opt/$x/p"], {}, r"has a '\$'"),
        (["/bin/p"], {"working_folder": "srv"}, "'srv' is no absolute path"),
        (["/bin/p"], {"working_folder": "/srv\\"}, "backslash"),
        (["/bin/p"], {"description": "x\n[Service]"}, "line end"),
        (["/bin/p"], {"description": "x\\"}, "backslash"),
        (["/bin/p"], {"writable": ["out"]}, "'out' is no absolute path"),
        (["/bin/p"], {"user": "a b"}, "OS user"),
        (["/bin/p"], {"state": "a/b"}, "not usable"),
        (["/bin/p", Credential("secret", "x.secret")], {}, "'x.secret' is no absolute path"),
    ],
)
def test_what_would_break_the_unit_is_refused(argv: list[str], given: dict[str, Any], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        service([*argv], **given)


def test_the_timer_is_persistent_spread_and_can_be_enabled() -> None:
    text = build_timer(parse_expression("0 0 13 * 5"), description="100%", random_delay_s=90)
    assert "OnCalendar=*-*-13 00:00:00\nOnCalendar=Fri *-*-* 00:00:00\n" in text
    for line in ("Description=100%%", "Persistent=true", "RandomizedDelaySec=90", "WantedBy=timers.target"):
        assert line in text.splitlines()
