"""What every builder asks of its input, so that no value can end a line or open another one."""

import re
from collections.abc import Sequence

from headless.errors import ParameterError

__all__ = ["check_name", "check_user", "check_words"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.@-]{0,63}\$?")


def check_name(name: str) -> str:
    """Return the name, if it is one for a cron file, a unit and a task alike.

    Raises:
        ParameterError: it has another character than letters, digits, ``-`` and ``_``; Debian's cron passes over
            files of /etc/cron.d whose name has a dot, without a word.
    """
    if not _NAME.fullmatch(name):
        raise ParameterError(
            f"the name {name!r} is not usable: give one of letters, digits, '-' and '_' "
            "(cron passes over files with a dot in their name)"
        )
    return name


def check_user(user: str) -> str:
    """Return the name of an OS user of a POSIX system, if it can be one.

    Raises:
        ParameterError: it cannot; whether the user exists is not looked up, the file may be for another host.
    """
    if not _USER.fullmatch(user):
        raise ParameterError(f"{user!r} is not the name of an OS user")
    return user


def check_words(words: Sequence[str]) -> None:
    """Refuse what no scheduler's file can hold in one line.

    Raises:
        ParameterError: a word has a control character (a line end, a NUL), or bytes that are no text.
    """
    for word in words:
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in word):
            raise ParameterError(
                f"{word!r} has a line end or another control character, which a schedule cannot hold: "
                "put code of several lines into a file and start it with --py-file"
            )
        if any(0xD800 <= ord(letter) < 0xE000 for letter in word):
            raise ParameterError(f"{word!r} is not text in the locale's encoding")
