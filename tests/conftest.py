"""What all tests share: a real peer is named, and its absence is never silent."""

import os
import shutil

import pytest

SYSTEM_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
IN_CI = os.environ.get("CI", "").lower() in ("true", "1")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test by its peer's name where that program is missing; fail instead in CI."""
    for marker in item.iter_markers("peer"):
        for program in marker.args:
            if shutil.which(program, path=SYSTEM_PATH) is None:
                message = f"the real {program} is not installed"
                if IN_CI:
                    pytest.fail(message)
                pytest.skip(message)
