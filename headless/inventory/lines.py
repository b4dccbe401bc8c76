"""Writing the text format, from plain values: this is on the way of every report, and imports nothing but the clock."""

import time

from headless.inventory.sums import hash_hex

__all__ = ["HEADERS", "OWN_HEADERS", "PACKAGERS", "TIME_FORMAT", "build_text"]

PACKAGERS = ("rpm", "dpkg", "pkg")
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
HEADERS = ("arch", "cpu", "host", "kernel", "site", "system", "tag")
OWN_HEADERS = ("machine", "os_id", "os_version")


def build_text(
    facts: dict[str, str],
    rows: list[tuple[str, str, str, str, str, str]] | tuple[tuple[str, str, str, str, str, str], ...],
    missing: list[tuple[str, str]],
    *,
    made: int,
    interval: int,
    plain: bool,
) -> bytes:
    """Write a report.

    Args:
        facts: what is known of the host, by the names that ``Report`` has for it.
        rows: the packages; those of the first kind in ``PACKAGERS`` that there are any of are written.
        missing: sources that could not be read, each with the reason.
        made, interval: as a ``Report`` has them.
        plain: without headers of our own: byte for byte what pakiti-client 3 writes.
    """
    kinds = {row[0] for row in rows}
    packager = next((kind for kind in PACKAGERS if kind in kinds), "")
    lines = [f"{row[1]}\t{row[2]}\t{row[3]}\n" for row in rows if row[0] == packager]
    # Code points sort as the bytes of UTF-8 do.
    lines.sort()
    body = "".join(lines).encode("utf-8", "surrogateescape")
    headers = [(name, facts.get(name, "")) for name in HEADERS]
    headers += [("packager", packager), ("version", "1")]
    if not plain:
        missing = missing + [
            (kind, "this format cannot tell them: use the format json") for kind in sorted(kinds - {packager})
        ]
        headers += [
            ("count", str(len(lines))),
            ("interval", str(interval or "")),
            ("made", time.strftime(TIME_FORMAT, time.gmtime(made)) if made else ""),
            ("sha256", hash_hex(body)),
        ]
        headers += [(name, facts.get(name, "")) for name in OWN_HEADERS]
        headers += [("missing", f"{source}: {reason}") for source, reason in missing]
    headers.sort()
    head = "".join([f"{name}: {value}\n" for name, value in headers if value])
    # pakiti-client leaves out of its headers what is no ASCII.
    coded = head.encode("ascii", "ignore") if plain else head.encode("utf-8", "surrogateescape")
    return b"#\n" + coded + b"#\n" + body + b"#\n"
