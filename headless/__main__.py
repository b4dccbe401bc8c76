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
    failure = None
    if sys.argv[1:3] == ["inventory", "report"] and sys.platform != "win32" and _has_own_name():
        failure = _report_quickly(sys.argv[3:])
    from headless.cli.names import expand_name

    words = expand_name(sys.argv[0], sys.argv[1:])
    is_launch = words[:1] != () and words[0].startswith("-")
    if is_launch:
        gc.disable()
    from headless.cli.main import main

    status = main(words, failure=failure)
    if not is_launch:
        raise SystemExit(status)
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:  # started with it closed
                stream.flush()
        except (OSError, ValueError):
            status = status or 2  # somebody wanted to read what was printed
    os._exit(status)


def _has_own_name() -> bool:
    """Whether it was not started by the name of a grid's command; which one is for ``expand_name`` to say."""
    return not os.path.basename(sys.argv[0]).startswith("alien")


def _report_quickly(words: list[str]) -> BaseException | None:
    """Try the way that imports next to nothing; if all went well this process ends here, with status 0.

    Args:
        words: after the command.

    Returns:
        What is to be told as a failure; ``None`` if the usual way is to be taken.
    """
    if sys.stdin is None or sys.stdout is None or sys.stderr is None:
        return None
    gc.disable()
    try:
        from headless.cli.inventory_quick import report_quickly

        if report_quickly(words):
            os._exit(0)
    except BaseException as exc:  # noqa: BLE001  # the boundary tells of it, once it is imported
        return exc
    gc.enable()
    return None


if __name__ == "__main__":
    run()
