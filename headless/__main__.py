"""The program ``headless``, also as ``python -m headless``: how a process of it begins and ends."""

import gc
import os
import sys

__all__ = ["run"]


def run() -> None:
    """Run the command line of this process, and end it.

    A launch lives for some hundredths of a second. It makes no garbage worth collecting, and tearing the interpreter
    down would take a fifth of its time, to free memory that the system takes back anyway (``docs/benchmarks.md``).
    """
    from headless.cli.names import expand_name

    words = expand_name(sys.argv[0], sys.argv[1:])
    is_launch = words[:1] != () and words[0].startswith("-")
    if is_launch:
        gc.disable()
    from headless.cli.main import main

    status = main(words)
    if not is_launch:
        raise SystemExit(status)
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:  # started with it closed
                stream.flush()
        except (OSError, ValueError):
            status = status or 2  # somebody wanted to read what was printed
    os._exit(status)


if __name__ == "__main__":
    run()
