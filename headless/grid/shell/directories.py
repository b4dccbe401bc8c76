"""Moving about: ``cd``, and the stack of ``pushd`` and ``popd``."""

from headless.grid.errnos import EINVAL
from headless.grid.messages import GridError, Reply
from headless.grid.shell.shell import Shell

__all__ = ["change", "pop", "push", "show_home", "show_stack"]


def change(shell: Shell, name: str, args: list[str]) -> Reply:
    """``cd``: to a directory, the one before (``-``), or the home."""
    before = _whole_stack(shell)[0]
    if args[:1] == ["-"]:
        if not shell.previous:
            raise GridError(EINVAL, "cd: there is no directory before this one")
        args = [shell.previous]
    reply = shell.send("cd", *args)
    if _whole_stack(shell)[0] != before:
        shell.previous = before
    return reply


def show_home(shell: Shell, name: str, args: list[str]) -> Reply:
    """``home``."""
    return shell.answer(shell.session.home)


def show_stack(shell: Shell, name: str, args: list[str]) -> Reply:
    """``dirs``: the current directory and the kept ones."""
    whole = _whole_stack(shell)
    if "-c" in args:
        shell.stack.clear()
        return shell.answer()
    if args:
        whole = [whole[_read_index(args[0], len(whole))]]
    return _show(shell, whole)


def push(shell: Shell, name: str, args: list[str]) -> Reply:
    """``pushd``: a new one, the one before in exchange, or the stack turned."""
    stays, args = "-n" in args, [word for word in args if word != "-n"]
    whole = _whole_stack(shell)
    if not args:
        if len(whole) < 2:
            raise GridError(EINVAL, "pushd: no other directory is kept")
        wanted = [whole[1], whole[0], *whole[2:]]
    elif args[0][0] in "+-" and args[0][1:].isdecimal():
        index = _read_index(args[0], len(whole))
        wanted = whole[index:] + whole[:index]
    else:
        place = shell.resolve(args[0])
        wanted = [whole[0], place, *whole[1:]] if stays else [place, *whole]
    return _take(shell, wanted, stays=stays)


def pop(shell: Shell, name: str, args: list[str]) -> Reply:
    """``popd``: back to the one kept last, or one of the others dropped."""
    stays, args = "-n" in args, [word for word in args if word != "-n"]
    whole = _whole_stack(shell)
    if len(whole) < 2:
        raise GridError(EINVAL, "popd: no other directory is kept")
    index = _read_index(args[0], len(whole)) if args else int(stays)
    return _take(shell, whole[:index] + whole[index + 1 :], stays=stays or index > 0)


def _whole_stack(shell: Shell) -> list[str]:
    session = shell.session
    if not session.directory:
        session.ask("pwd")
    return [session.directory.rstrip("/") or "/", *shell.stack]


def _take(shell: Shell, wanted: list[str], *, stays: bool) -> Reply:
    """The first is where to be, unless we stay; nothing changes if we cannot go there."""
    if not stays and wanted[0] != _whole_stack(shell)[0]:
        before = _whole_stack(shell)[0]
        shell.session.ask("cd", wanted[0])
        shell.previous = before
    shell.stack[:] = wanted[1:]
    return _show(shell, wanted)


def _show(shell: Shell, places: list[str]) -> Reply:
    """With ``~`` for the home, as alien.py has it."""
    home = shell.session.home.rstrip("/")
    short = ["~" + place.removeprefix(home) if (place + "/").startswith(home + "/") else place for place in places]
    return shell.answer(" ".join(short))


def _read_index(text: str, length: int) -> int:
    """``+N`` counts from the first, ``-N`` from the last, both from 0."""
    sign, digits = text[:1], text[1:]
    if sign not in ("+", "-") or not digits.isdecimal() or int(digits) >= length:
        raise GridError(EINVAL, f"{text!r} is no place of the {length} in the stack: give +N or -N")
    return int(digits) if sign == "+" else length - 1 - int(digits)
