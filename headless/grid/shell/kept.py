"""``~/.alienpy_session``: where the last shell was, in alien.py's format."""

import contextlib
import os
import secrets

__all__ = ["read_place", "save_place"]

NAME = ".alienpy_session"


def read_place(home: str) -> tuple[str, str]:
    """The directory, and the one before it; empty where nothing is known."""
    try:
        with open(os.path.join(home, NAME), encoding="utf-8", errors="replace") as file:
            pairs = (line.partition("=") for line in file.read(65536).splitlines())
    except OSError:
        return "", ""
    values = {name.strip(): value.strip() for name, _, value in pairs}
    return values.get("CWD", ""), values.get("CWDPREV", "")


def save_place(home: str, directory: str, previous: str) -> None:
    """Keep them; where that cannot be, the next shell begins at home. Never raises."""
    path = os.path.join(home, NAME)
    beside = f"{path}.{secrets.token_hex(4)}"
    if not (directory + previous).isprintable():
        return  # a line end in a name would be a line of the file
    with contextlib.suppress(OSError):
        with open(beside, "x", encoding="utf-8") as file:
            file.write(f"CWD = {directory}\nCWDPREV = {previous or directory}\n")
        os.replace(beside, path)
