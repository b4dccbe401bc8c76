"""docs/inventory.md says which options narrow which question, and says it right."""

import re
from pathlib import Path

import pytest

from headless.inventory.questions import QUESTIONS

TEXT = (Path(__file__).parents[2] / "docs" / "inventory.md").read_text()
TABLE = dict(re.findall(r"^\| (`--[^|]+) \| ([^|]+) \|$", TEXT.partition("What narrows which of them")[2][:1500], re.M))


@pytest.mark.parametrize("option", ["site", "tag", "kind", "at", "seen_since"])
def test_the_options_that_narrow_a_question_are_those_that_it_takes(option: str) -> None:
    takers = {
        name
        for name, question in QUESTIONS.items()
        if any(item.name == option and not item.is_argument for item in question.parameters)
    }
    told = TABLE[f"`--{option.replace('_', '-')}`"]
    named = set(re.findall("`([^`]+)`", told.partition(" (`")[0]))
    assert takers == (set(QUESTIONS) - named if told.startswith("all but ") else named)
