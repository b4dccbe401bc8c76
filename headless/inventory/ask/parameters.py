"""A question's parameters, as they come in a URL."""

from collections.abc import Iterable
from typing import Any

from headless.errors import ParameterError
from headless.inventory.ask.page import Page, parse_key
from headless.inventory.dates import parse_date
from headless.inventory.package import KINDS
from headless.inventory.questions import PAGE_LIMIT, Parameter, Question

__all__ = ["DEFAULT_LIMIT", "parse_parameters"]

DEFAULT_LIMIT = 1000
STARTS = ("since", "seen_since")
"""The parameters whose day is meant from its beginning."""
TEXT_LIMIT = 1000
"""The longest text of a parameter."""


def parse_parameters(question: Question, given: Iterable[tuple[str, str]]) -> tuple[dict[str, Any], Page]:
    """Read what was given.

    Args:
        question: that is asked.
        given: names and texts; ``limit`` and ``after`` choose a page. An empty text counts as not given.

    Raises:
        ParameterError: one is not known, not what it must be, given twice, or missing.
    """
    known = {parameter.name: parameter for parameter in question.parameters}
    found: dict[str, Any] = {}
    limit, after = DEFAULT_LIMIT, ""
    for name, text in given:
        if name == "limit":
            limit = min(_parse_number(name, text), PAGE_LIMIT)
        elif name == "after":
            after = text
        elif name not in known:
            listed = ", ".join([*known, "limit", "after"])
            raise ParameterError(f"{name[:60]!r} is no parameter of {question.name}: known are {listed}")
        elif name in found:
            raise ParameterError(f"{name!r} is given twice")
        elif text:
            found[name] = _parse(known[name], text)
    for parameter in question.parameters:
        if parameter.is_argument and parameter.name not in found:
            raise ParameterError(f"{question.name} needs {parameter.name!r}: {parameter.help}")
    return found, Page(max(limit, 1), parse_key(after))


def _parse(parameter: Parameter, text: str) -> Any:
    if parameter.kind == "date":
        return parse_date(text, is_start=parameter.name in STARTS)
    if parameter.kind == "flag":
        if text != "true":
            raise ParameterError(f"{parameter.name!r}: 'true' is expected, or nothing")
        return True
    if parameter.kind == "number":
        return _parse_number(parameter.name, text)
    if parameter.name == "kind" and text not in KINDS:
        raise ParameterError(f"{text[:80]!r} is no kind of packages: there are {', '.join(KINDS)}")
    if len(text) > TEXT_LIMIT:
        raise ParameterError(f"{parameter.name!r} is longer than {TEXT_LIMIT} characters")
    return text


def _parse_number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise ParameterError(f"{name!r}: a number is expected")
    return int(text)
