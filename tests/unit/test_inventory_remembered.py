"""What ``serve`` was given as options, remembered for the commands."""

from pathlib import Path

import pytest

from headless.errors import ParameterError
from headless.inventory.collect.remembered import recall
from headless.inventory.collect.settings import CollectorSettings


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"keys": 1, "networks": 2}', '{"keys": [1], "networks": []}'])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    settings = CollectorSettings(state=str(tmp_path))
    Path(settings.remembered).write_text(content)
    with pytest.raises(ParameterError, match=r"served\.json cannot be read"):
        recall(settings)
