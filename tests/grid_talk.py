"""A session of a test's own, whose answers have no lines for people: exit code, error and rows together."""

from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType

from grid_raw import open_session
from grid_support import GridUser


@dataclass(frozen=True)
class Said:
    """A reply."""

    code: int
    error: str
    rows: list[dict[str, str]]


class Talk:
    """A session; to be used in a ``with``."""

    def __init__(self, user: GridUser, certificate: str = "", key: str = "") -> None:
        """Log in, with the user's own certificate or another."""
        self._stack = ExitStack()
        self._session = self._stack.enter_context(open_session(user, certificate, key))

    def run(self, command: str, *options: str) -> Said:
        """Have a command done."""
        answer = self._session.ask(command, "-nomsg", *options)
        return Said(int(answer["metadata"]["exitcode"]), answer["metadata"]["error"], answer["results"])

    def ask(self, command: str, *options: str) -> list[dict[str, str]]:
        """The same, where it must succeed."""
        said = self.run(command, *options)
        assert said.code == 0, said.error
        return said.rows

    def __enter__(self) -> "Talk":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
