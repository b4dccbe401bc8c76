"""What all fault tests share."""

import random

import pytest

from fault_support import make_chance


@pytest.fixture
def chance() -> random.Random:
    """Chance from a seed that is shown when the test fails."""
    return make_chance()
