"""What is left behind by a bug: a file to send to the developers."""

import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Sequence

import headless
from headless.config import read_environment

__all__ = ["write_report"]


def write_report(argv: Sequence[str], exc: BaseException) -> str:
    """Write a report with versions and traceback; return a clause that says where it is.

    Options are named without their values: these may be code, or names that concern nobody.
    """
    options = [_name_option(item) for item in argv]
    text = "\n".join(
        [
            f"headless {headless.__version__}, Python {platform.python_version()}, {platform.platform()}",
            f"command: {' '.join(options)}",
            "",
            *traceback.format_exception(exc),
        ]
    )
    folder = os.path.join(read_environment().state_folder, "bugs")
    for place in (folder, None):
        try:
            if place is not None:
                os.makedirs(place, mode=0o700, exist_ok=True)
            descriptor, path = tempfile.mkstemp(".txt", "headless-bug-", place)
            with os.fdopen(descriptor, "w") as file:
                file.write(text)
        except OSError:
            continue
        return f"the report is in {path}"
    if sys.stderr is not None:
        sys.stderr.write(text)
    return "the report could not be written"


def _name_option(item: str) -> str:
    if not item.startswith("-"):
        return "..."
    return item.partition("=")[0] if item.startswith("--") else item[:2]
