"""The server's log: one line an event, whatever is in it, for a file and for the journal."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from headless.errors import ParameterError
from headless.log import _LineFormatter, set_up_log


def make_record(level: int, message: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("headless.x", level, __file__, 1, message, arguments, None)


@pytest.fixture
def loggers() -> Iterator[None]:
    """Give the loggers their handlers back: set_up_log() changes the process."""
    names = ("headless", "asyncio")
    before = {name: (list(logging.getLogger(name).handlers), logging.getLogger(name).propagate) for name in names}
    yield
    for name, (handlers, propagate) in before.items():
        logger = logging.getLogger(name)
        for handler in set(logger.handlers) - set(handlers):
            handler.close()
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(logging.NOTSET)


@pytest.mark.parametrize(
    ("level", "priority"), [(logging.INFO, 6), (logging.WARNING, 4), (logging.ERROR, 3), (logging.CRITICAL, 2)]
)
def test_the_journal_gets_the_priority_and_no_time(level: int, priority: int) -> None:
    line = _LineFormatter(has_journal=True).format(make_record(level, "end job=%s", "X"))
    assert line == f"<{priority}>action=end job=X"


def test_a_file_gets_the_time_in_utc_and_the_level() -> None:
    record = make_record(logging.INFO, "end job=%s", "X")
    record.created, record.msecs = 0.25, 250.0
    line = _LineFormatter(has_journal=False).format(record)
    assert line == "1970-01-01T00:00:00.250Z INFO action=end job=X"


@pytest.mark.parametrize("has_journal", [True, False])
def test_a_traceback_and_a_forged_line_stay_on_one_line(has_journal: bool) -> None:
    record = make_record(logging.ERROR, "bug from=%s", "x\n<6>action=login user=root")
    try:
        raise ValueError("two\nlines")
    except ValueError as exc:
        record.exc_info = (ValueError, exc, exc.__traceback__)
    line = _LineFormatter(has_journal=has_journal).format(record)
    assert "\n" not in line
    assert "Traceback" in line and "two" in line


def test_what_asyncio_complains_of_comes_in_the_same_form(loggers: None, tmp_path: Path) -> None:
    set_up_log(file=str(tmp_path / "log"), has_journal=False)
    logging.getLogger("asyncio").error("Task exception was never retrieved")
    assert "ERROR action=Task exception" in (tmp_path / "log").read_text()


def test_a_log_that_cannot_be_written_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="cannot be written: No such file"):
        set_up_log(file=str(tmp_path / "gone" / "log"), has_journal=False)
