"""The shell's state, and how a command of it is run."""

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence

from headless.errors import ParameterError
from headless.grid.errnos import EINVAL
from headless.grid.messages import GridError, Reply, Row
from headless.grid.names import expand_home, expand_lfn, strip_prefix
from headless.grid.session import GridSession
from headless.grid.settings import ClientSettings
from headless.grid.shell.aliases import expand_aliases, read_aliases
from headless.grid.shell.output import Output, OutputLost
from headless.grid.shell.table import find_handler
from headless.grid.shell.words import Step, split_line

__all__ = ["Shell"]

FORMATS = {"-json": "json", "--json": "json", "-jsonl": "jsonl", "--jsonl": "jsonl"}
FOREIGN = ("run", "exec", "less", "more", "echo")


class _NoSession(GridError):
    """There is no logging in: what else was to be done need not be tried."""


class Shell:
    """One user's shell.

    Attributes:
        settings: as given.
        output: where it prints.
        previous: the directory before this one, for ``cd -``.
        stack: of ``pushd``, without the current directory, the last one first.
        code: of the last command.
        ended: the exit code that was asked for; ``None`` while it goes on.
        is_hopeless: whether logging in has failed: what else was to be done need not be tried.
        place: stands before errors: where the command comes from.
        is_interactive: whether somebody types.
        prompt_date: whether the prompt shows the time.
        prompt_directory: whether it shows the local folder.
    """

    def __init__(self, settings: ClientSettings, *, is_interactive: bool = False) -> None:
        self.settings = settings
        self.output = Output(settings.format)
        self.previous = ""
        self.stack: list[str] = []
        self.code = 0
        self.ended: int | None = None
        self.is_hopeless = False
        self.place = ""
        self.is_interactive = is_interactive
        self.prompt_date = settings.prompt_date
        self.prompt_directory = settings.prompt_directory
        self._aliases: dict[str, str] | None = None
        self._session: GridSession | None = None
        self._has_told = False  # that the token is another user's

    @property
    def session(self) -> GridSession:
        """Made when it is first needed.

        Raises:
            GridError: it cannot be had.
        """
        if self._session is None:
            from headless.grid.tokens import log_in

            try:
                self._session = log_in(self.settings)
            except GridError as exc:
                raise _NoSession(exc.exit_code, str(exc)) from exc
            self._tell_other_user(self._session)
            if self.settings.is_timed:
                self.output.error(f"connected in {self._session.connect_s * 1000:.1f} ms")
        return self._session

    def _tell_other_user(self, session: GridSession) -> None:
        from headless.grid.credentials import tell_other_user

        if not self._has_told and (line := tell_other_user(self.settings, session.credentials)):
            self._has_told = True
            self.output.error(line)

    @property
    def has_session(self) -> bool:
        """Whether one was needed so far."""
        return self._session is not None

    def close(self) -> None:
        """End the session. Never raises."""
        if self._session is not None:
            self._session.close()

    def renew_session(self) -> None:
        """Have the next command log in anew, with what credentials there are then."""
        self.close()
        self._session = None

    def run_line(self, text: str) -> int:
        """Run a line; the last code that is not 0, or 0."""
        try:
            steps = split_line(text)
        except GridError as exc:
            lines = text.count("\n")
            return self._fail(exc if lines else GridError(exc.exit_code, str(exc).removeprefix("line 1: ")))
        return self.run_steps(steps)

    def run_words(self, words: Sequence[str]) -> int:
        """Run one command, whose words are what they are."""
        return self.run_steps([Step(tuple(words))])

    def run_steps(self, steps: Iterable[Step]) -> int:
        """Run commands until one ends the shell, or none can be run; the last code that is not 0, or 0."""
        code = 0
        try:
            for step in steps:
                parts = self._expand(step)
                code = code if parts else self.code
                for part in parts:
                    code = self._run_step(part) or code
                    if self.ended is not None:
                        return self.ended
        except _NoSession as exc:
            self.is_hopeless = True
            code = self._fail(exc)
        return code

    def send(self, command: str, *options: str) -> Reply:
        """Have the server do a command, with the keys that the output needs."""
        words = [self._localize(option) for option in options]
        return self.session.run(command, *(["-nokeys"] if self.output.format == "text" else []), *words)

    def query(self, command: str, *options: str) -> Reply:
        """Have the server do a command for its rows; only success will do.

        Raises:
            GridError: what the server says.
        """
        return self.session.ask(command, "-nomsg", *options)

    def answer(self, *rows: Row | str, code: int = 0, error: str = "") -> Reply:
        """A reply of our own; a text is a row with a message only."""
        session = self._session
        user, directory = (session.user, session.directory) if session is not None else ("", "")
        whole = tuple({"message": row} if isinstance(row, str) else row for row in rows)
        return Reply(code, error, user, directory, whole)

    def resolve(self, text: str) -> str:
        """The absolute LFN of what was typed."""
        session = self.session
        home = session.home  # asked first: it makes the directory known
        return expand_lfn(text, home, session.directory)

    def run_shell(self, command: str) -> int:
        """Run a command of this machine's shell, with our standard streams."""
        import subprocess

        status = subprocess.run(command, shell=True, check=False)  # noqa: S602  # that is what was asked for
        return status.returncode if status.returncode >= 0 else 128 - status.returncode

    def _expand(self, step: Step) -> list[Step]:
        """What aliases make of it; nothing, and that has failed, where they cannot be read."""
        if self._aliases is None:
            self._aliases = read_aliases(os.path.join(self.settings.home, ".alienpy_aliases"))
        try:
            return expand_aliases(step, self._aliases)
        except GridError as exc:
            self._fail(exc)
            return []

    def _run_step(self, step: Step) -> int:
        try:
            if not step.words:
                self.code = self.run_shell(step.shell)
            elif step.shell:
                self.code = self._run_piped(step)
            else:
                self.code = self._run_command(step.words)
        except (_NoSession, OutputLost):
            raise
        except ParameterError as exc:
            self.code = self._fail(GridError(EINVAL, str(exc)))
        except GridError as exc:
            self.code = self._fail(exc)
        return self.code

    def _run_piped(self, step: Step) -> int:
        """The shell's command is run only with a whole text; its code counts then."""
        import subprocess
        from tempfile import TemporaryFile

        with TemporaryFile() as file:
            self.output.file = file
            try:
                if code := self._run_command(step.words, is_piped=True):
                    return code
            finally:
                self.output.file = None
            file.seek(0)
            status = subprocess.run(step.shell, shell=True, stdin=file, check=False)  # noqa: S602
        return status.returncode if status.returncode >= 0 else 128 - status.returncode

    def _run_command(self, words: Sequence[str], *, is_piped: bool = False) -> int:
        name, args = words[0], list(words[1:])
        with self._format_of(name, args):
            handler = find_handler(name, args)
            reply = handler(self, name, args)
            if is_piped and reply.code:
                reply = Reply(reply.code, reply.error, reply.user, reply.directory, ())
                self.output.file = None
            self.output.show(reply, self.place)
        return reply.code

    @contextlib.contextmanager
    def _format_of(self, name: str, args: list[str]) -> Iterator[None]:
        """``-json`` behind any command is for that command, as in alien.py; but for another program's own words."""
        kept = self.output.format
        for word in FORMATS if name not in FOREIGN else ():
            if word in args:
                args.remove(word)
                self.output.format = FORMATS[word]
        try:
            yield
        finally:
            self.output.format = kept

    def _localize(self, word: str) -> str:
        """Only what the server cannot know is put in: the home's other names, and our prefix."""
        if word.startswith("alien:"):
            return self.resolve(word)
        if word.startswith(("~", "%ALIEN", "/%ALIEN")):
            return expand_home(strip_prefix(word), self.session.home)
        return word

    def _fail(self, error: GridError) -> int:
        self.code = error.exit_code
        self.output.show(self.answer(code=error.exit_code, error=str(error)), self.place)
        return self.code
