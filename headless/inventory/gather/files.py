"""Reading small files below a root folder, whatever is in them."""

import os

__all__ = ["LIMIT", "decode", "first_line", "place", "read", "tidy"]

LIMIT = 256 * 1024 * 1024  # bytes; no list of packages comes near, and a wrong file must not fill the memory


def place(root: str, path: str) -> str:
    """A path below a root folder; ``root`` is empty for the machine itself."""
    return root + path


def read(path: str) -> bytes:
    """Read a file whole.

    Raises:
        OSError: it cannot be read, or is larger than any such file may be.
    """
    with open(path, "rb", buffering=0) as file:
        if os.fstat(file.fileno()).st_size > LIMIT:
            raise OSError(None, "too large to be what it should be", path)
        return file.readall()


def decode(data: bytes | bytearray) -> str:
    """Bytes as text: UTF-8, or where it is none, Latin-1, which has a letter for each byte."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def first_line(path: str) -> str:
    """The first line of a file with its blanks made single, without control characters; empty if there is none."""
    try:
        text = decode(read(path))
    except OSError:
        return ""
    return tidy(next((line for line in text.split("\n") if line.strip()), ""))


def tidy(text: str) -> str:
    """One line: blanks made single, what cannot be printed left out."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())
