"""The quick way of ``headless inventory report``, for a plain command line on a machine where all is well.

Whatever is out of the ordinary (an option of the network, a source that cannot be read, a certificate that is over, no
openssl) is not dealt with here: nothing has been written by then, and the command begins anew, the usual way.
"""

import sys
import time

from headless.cli.inventory_options import read_quickly

if sys.platform == "win32":
    raise ImportError("reports are made on POSIX systems only")

from headless.inventory.openssl import Sealer

__all__ = ["report_quickly"]


def report_quickly(words: list[str]) -> bool:
    """Make a report of the options after ``headless inventory report``; whether it was made.

    Raises:
        OSError: it could not be printed.
    """
    try:
        values = read_quickly(words)
        data = _prepare(values) if values is not None else None
    except Exception:  # noqa: BLE001  # whatever it is, the usual way meets it too, and tells of it
        return False
    return values is not None and data is not None and _write(str(values.get("output", "-")), data)


def _prepare(values: dict[str, str | list[str]]) -> bytes | None:
    """Gather, and seal if that is wanted."""
    certificates = list(values.get("encrypt", ()))
    if not certificates:
        return _make(values)
    sealer = Sealer.start(certificates)
    if sealer is None:
        return None
    try:
        data = _make(values)
    except BaseException:
        sealer.stop()
        raise
    if data is None:
        sealer.stop()
        return None
    return sealer.finish(data)


def _make(values: dict[str, str | list[str]]) -> bytes | None:
    # Here, and not above: openssl starts meanwhile.
    from headless.inventory.gather.everything import gather
    from headless.inventory.gather.files import tidy
    from headless.inventory.lines import build_text

    site, plain = tidy(str(values.get("site", ""))), "plain" in values
    root = str(values.get("root", "")).rstrip("/")
    gathered = gather(root, str(values.get("host", "")), list(values.get("python_path", ())), plain=plain)
    if gathered.missing or not gathered.rows or not site:
        return None
    facts = {**gathered.facts, "site": site, "tag": tidy(str(values.get("tag", "")))}
    interval = int(str(values.get("interval", 0)))
    return build_text(facts, gathered.rows, [], made=int(time.time()), interval=interval, plain=plain)


def _write(output: str, data: bytes) -> bool:
    from headless.inventory.writing import replace_file, write_all

    if output == "-":
        write_all(1, data)
        return True
    try:
        replace_file(output, data)
    except OSError:
        return False  # to be tried once more, and told
    return True
