"""What the launcher says at each verbosity, and what it never says."""

from pathlib import Path

import pytest

from headless.cli import bugs
from headless.cli.main import main
from headless.errors import HeadlessError
from headless.launcher.talk import LINE_LIMIT, Talk, make_printable


def say_everything(verbosity: int) -> None:
    """Call each method once."""
    talk = Talk(verbosity)
    talk.error("an error")
    talk.detail("its detail")
    talk.info("a fact")
    talk.sent("job.start", {"name": "x"})
    talk.received("result", {"state": "accepted"})
    talk.progress(1, 2)


@pytest.mark.parametrize("verbosity", [-1, 0, 1, 2, 3])
def test_each_verbosity_adds_one_kind(verbosity: int, capsys: pytest.CaptureFixture[str]) -> None:
    say_everything(verbosity)
    lines = [
        (0, "headless: an error"),
        (0, "its detail"),
        (1, "headless: a fact"),
        (2, '> job.start {"name": "x"}'),
        (3, '< result {"state": "accepted"}'),
    ]
    out, err = capsys.readouterr()
    assert err.splitlines() == [line for least, line in lines if verbosity >= least]
    assert out == ""


def test_proofs_are_never_shown(capsys: pytest.CaptureFixture[str]) -> None:
    talk = Talk(3)
    talk.sent("login.proof", {"client_final": "c=biws,r=x,p=PROOF"})
    talk.received("result", {"server_final": "v=PROOF", "user": "batch"})
    err = capsys.readouterr().err
    assert "PROOF" not in err
    assert err.count("***") == 2


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "a\x1b[31mb", "a\u2028b", "a\x00b", "a\udce9b", "a\x9bb"])
def test_an_error_is_one_line_whatever_it_holds(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    Talk(0).error(text)
    err = capsys.readouterr().err
    assert err.startswith("headless: a")
    assert len(err.splitlines()) == 1
    assert err[:-1].isprintable()


def test_a_long_line_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    talk = Talk(3)
    talk.error("x" * 5_000_000)
    talk.received("error", {"message": "x" * 5_000_000})
    assert [len(line) for line in capsys.readouterr().err.splitlines()] == [LINE_LIMIT, LINE_LIMIT]


def test_what_is_printable_stays() -> None:
    assert make_printable("Größe\t5 → 6") == "Größe\t5 → 6"


def test_nothing_is_said_where_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)  # so Python has it where it was closed
    say_everything(3)


def break_launch(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """A bug is what nobody has foreseen: here one is put into our own code."""

    def run_launch(*_: object) -> int:
        raise error

    monkeypatch.setattr("headless.cli.launch.run_launch", run_launch)


@pytest.mark.parametrize("error", [KeyError("no\nsuch"), HeadlessError("a bug in the server"), OSError(2, "gone")])
def test_a_bug_leaves_a_report_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, error: Exception
) -> None:
    break_launch(monkeypatch, error)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert main(["-c", "hunter2", "-chunter2", "--py-code=hunter2", "-v", "--", "--password=hunter2"]) == 70
    reports = list((tmp_path / ".local/state/headless/bugs").iterdir())
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"headless: a bug in headless: {type(error).__name__}: ")
    assert err.endswith(f": the report is in {reports[0]}\n")
    assert err.count("\n") == 1
    text = reports[0].read_text()
    assert reports[0].stat().st_mode & 0o777 == 0o600
    assert "Traceback (most recent call last)" in text
    assert "command: -c ... -c --py-code -v -- --password\n" in text
    assert "hunter2" not in text


def test_a_report_finds_another_place_or_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    said = bugs.write_report([], ValueError("x"))
    assert Path(said.removeprefix("the report is in ")).parent == tmp_path
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    assert bugs.write_report([], ValueError("x")) == "the report could not be written"
    assert "ValueError: x" in capsys.readouterr().err


def test_a_full_disk_is_no_bug(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    break_launch(monkeypatch, OSError(28, "No space left on device"))
    assert main(["-c", "pass"]) == 2
    assert capsys.readouterr().err == "headless: the output could not be written: No space left on device\n"
