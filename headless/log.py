"""The server's log: one line an event, ``key=value``, fit for grep and for the journal."""

import logging
import logging.handlers
import os
import time
from io import TextIOWrapper

from headless.errors import ParameterError

__all__ = ["set_up_log"]

FILE_SIZE = 1 << 20  # bytes; an embedded server's log, of which one older file is kept
# sd-daemon(3): journald takes the priority from the line's start
PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class _LineFormatter(logging.Formatter):
    """One record, one line: time in UTC, level, ``action=`` and its keys; a traceback's line ends as ``\\n``."""

    def __init__(self, *, has_journal: bool) -> None:
        form = "action=%(message)s" if has_journal else "%(asctime)s.%(msecs)03dZ %(levelname)s action=%(message)s"
        super().__init__(form, datefmt="%Y-%m-%dT%H:%M:%S")
        self.converter = time.gmtime
        self._has_journal = has_journal

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record).replace("\n", "\\n")
        if self._has_journal:
            return f"<{PRIORITIES.get(record.levelno, 6)}>{line}"
        return line


class _FileHandler(logging.handlers.RotatingFileHandler):
    """Never writes through a link: whoever could put one there would choose the file that a server of root writes."""

    def _open(self) -> TextIOWrapper:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        return os.fdopen(os.open(self.baseFilename, flags, 0o600), "a", encoding="utf-8")


def set_up_log(*, file: str | None, has_journal: bool) -> None:
    """Send the log of headless to standard error or a file.

    Args:
        file: path of the log; ``None`` for standard error.
        has_journal: whether the reader is journald, which knows the time already and takes priorities.

    Raises:
        ParameterError: the file cannot be written.
    """
    handler: logging.Handler
    if file is None:
        handler = logging.StreamHandler()
    else:
        try:
            handler = _FileHandler(file, maxBytes=FILE_SIZE, backupCount=1)
        except OSError as exc:
            raise ParameterError(f"the log {file} cannot be written: {exc.strerror}") from exc
    handler.setFormatter(_LineFormatter(has_journal=has_journal and file is None))
    for name, level in (("headless", logging.INFO), ("asyncio", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.setLevel(level)
        logger.propagate = False
        logger.addHandler(handler)
