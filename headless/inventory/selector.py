"""Which packages a name means: itself, all that match ``*`` and ``?``, or all that are built of a source package."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import translate
from functools import cached_property

from headless.errors import ParameterError
from headless.inventory.package import Package

__all__ = ["Selector", "normalize", "parse_selector", "source_of", "tells_sources"]

SOURCE = "src:"
NOT_IN_NAMES = re.compile(r"[\s<>=!,~]")


@dataclass(frozen=True)
class Selector:
    """A name with a meaning.

    Attributes:
        name: with ``*`` for any text and ``?`` for any character. Python distributions are compared by their normal
            form (PEP 503), all other names as they are written.
        is_source: it is a source package's, and so is the version that counts. A package that tells no source is its
            own.
    """

    name: str
    is_source: bool = False

    @property
    def is_literal(self) -> bool:
        """It means one name."""
        return not ("*" in self.name or "?" in self.name)

    def matches(self, package: Package) -> bool:
        """Whether it means this package."""
        name = source_of(package)[0] if self.is_source else package.name
        if package.kind == "python":
            return self._normal_pattern.fullmatch(normalize(name)) is not None
        return self._pattern.fullmatch(name) is not None

    def version_of(self, package: Package) -> str:
        """The version that counts."""
        return source_of(package)[1] if self.is_source else package.version

    def __str__(self) -> str:
        return SOURCE + self.name if self.is_source else self.name

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return _compile(self.name)

    @cached_property
    def _normal_pattern(self) -> re.Pattern[str]:
        return _compile(normalize(self.name))


def parse_selector(text: str) -> Selector:
    """Read ``NAME`` or ``src:NAME``.

    Raises:
        ParameterError: it is no name.
    """
    name = text.removeprefix(SOURCE)
    if not name or not name.isprintable() or NOT_IN_NAMES.search(name):
        raise ParameterError(f"{text[:80]!r} is no package's name: NAME, with * and ?, or src:NAME is expected")
    return Selector(name, is_source=text.startswith(SOURCE))


def source_of(package: Package) -> tuple[str, str]:
    """The source package's name and version."""
    return package.source or package.name, package.source_version or package.version


def tells_sources(packages: Iterable[Package]) -> bool:
    """Whether a list tells source packages at all: the text format does not, and of a whole system some differ."""
    return any(package.source for package in packages)


def normalize(name: str) -> str:
    """A Python distribution's name as PEP 503 has it."""
    return re.sub("[-_.]+", "-", name).lower()


def _compile(name: str) -> re.Pattern[str]:
    # fnmatch's own translation never takes long, however many stars there are. Sets in brackets are not meant.
    return re.compile(translate(name.replace("[", "[[]")))
