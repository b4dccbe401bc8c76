"""The shell at a terminal: a line with history and completion, an idle session that is kept."""

import asyncio
import contextlib
import os
import signal
import time

from prompt_toolkit import PromptSession
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.shortcuts import CompleteStyle

from headless.grid.messages import GridError
from headless.grid.shell.completion import GridCompleter
from headless.grid.shell.kept import read_place, save_place
from headless.grid.shell.shell import Shell
from headless.grid.shell.words import Unfinished, split_line

__all__ = ["interact"]

PING_S = 30.0
IDLE_S = 600.0  # the server ends a session after 15 minutes without a command


def interact(shell: Shell) -> int:
    """Talk until the end of the input, or ``exit``.

    Returns:
        The code that was asked for, or of the last command.

    Raises:
        GridError: there is no logging in.
    """
    shell.is_interactive = True
    session = shell.session
    shell.previous = session.home.rstrip("/")
    if shell.settings.keeps_directory:
        _return_to(shell)
    prompt: PromptSession[str] = PromptSession(
        history=_open_history(shell),
        completer=GridCompleter(shell),
        complete_while_typing=False,
        complete_style=CompleteStyle.READLINE_LIKE,
    )
    while shell.ended is None:
        try:
            text = prompt.prompt(lambda: _write_prompt(shell), pre_run=lambda: _keep_alive(shell))
        except KeyboardInterrupt:
            continue
        except EOFError:
            break
        _run(shell, _complete_quotes(prompt, text))
    return shell.code if shell.ended is None else shell.ended


def _run(shell: Shell, text: str) -> None:
    """Control-C ends the command, not the shell; the connection that waits for its answer is of no more use then."""
    shell.is_hopeless = False
    before = shell.session.directory if shell.has_session else ""
    try:
        shell.run_line(text)
    except KeyboardInterrupt:
        shell.code = 128 + signal.SIGINT
        shell.session.interrupt()
    if shell.has_session and shell.session.directory != before:
        save_place(shell.settings.home, shell.session.directory, shell.previous)


def _complete_quotes(prompt: "PromptSession[str]", text: str) -> str:
    """Ask for more lines while a quote is open."""
    while True:
        try:
            split_line(text)
        except Unfinished:
            try:
                text += "\n" + prompt.prompt("> ")
            except (KeyboardInterrupt, EOFError):
                return ""
        except GridError:
            return text
        else:
            return text


def _return_to(shell: Shell) -> None:
    """Where the last shell ended; it may be gone."""
    place, previous = read_place(shell.settings.home)
    if place and place != shell.session.home:
        with contextlib.suppress(GridError):
            shell.session.ask("cd", place)
            shell.previous = previous or shell.previous


def _write_prompt(shell: Shell) -> FormattedText:
    session = shell.session
    text = f"AliEn[{session.user}]:{session.directory}"
    if shell.prompt_date:
        text = f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {text}"
    if shell.prompt_directory:
        text = f"{text} local:{_here()}"
    return FormattedText([("", f"{text} >")])


def _here() -> str:
    try:
        return os.getcwd()
    except OSError:
        return "(gone)"


def _open_history(shell: Shell) -> History:
    """One of our own format's; nobody else may read it."""
    if not shell.settings.keeps_history:
        return InMemoryHistory()
    path = os.path.join(shell.settings.home, ".headless_grid_history")
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0), 0o600))
    except OSError:
        return InMemoryHistory()
    return FileHistory(path)


def _keep_alive(shell: Shell) -> None:
    """While the prompt waits, on its own event loop."""

    async def pings() -> None:
        while True:
            await asyncio.sleep(PING_S)
            if shell.has_session:
                shell.session.keep_alive(IDLE_S)

    from prompt_toolkit.application import get_app

    get_app().create_background_task(pings())
