"""What the fuzz tests share: settings that find the same every time, and JSON values."""

import json
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

VECTORS = Path(__file__).parent / "vectors"

FUZZ = settings(derandomize=True, database=None, deadline=None, max_examples=300)
"""The same examples in every run, on every machine; no time limit for one of them."""

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["", "\0", "\x1b[2J", "$2b$12$", "../../etc/passwd", "\U0001f600"])
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
OBJECTS = st.dictionaries(st.text(max_size=8), JSON, max_size=5)


def read_vectors(name: str) -> Any:
    """The content of a file in ``tests/vectors``."""
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))
