"""Tell which certificates end soon: in files, in folders, and on servers that speak TLS.

Arguments: SOURCE..., and as needed --days N (21), --timeout SECONDS (10), -v. A source is a file of PEM (each
certificate in it counts) or DER, a folder (all *.pem, *.crt and *.cer in it and below), or HOST:PORT or
[IPv6]:PORT (the server's own certificate). Name files in full: a job starts in its own folder.
Exit status: 0 all is well; 1 one ends within N days, has ended or has not begun, or something could not be
examined (a line each, with the reason); 2 bad options.
Duration: seconds, eight sources at a time; a server that does not answer takes the timeout for each of its
addresses, or to shake hands. Rights: to read the files and to connect to the servers.
What it changes: nothing. Stop it and run it again at any time.
What it does not do: check signatures, chains, names or revocation; open PKCS#7 or PKCS#12; speak STARTTLS; see a
server's chain; follow links to folders. In folders it passes over files of keys, parameters, requests or CRLs.
"""

import argparse
import os
import re
import socket
import ssl
import stat
import sys
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography import x509

from headless import job

PEM_PART = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?(?=-----BEGIN |\Z)", re.DOTALL)  # cut-off ones, too
PASSED_OVER = (b"KEY", b"PARAMETERS", b"REQUEST", b"CRL")
HOST_PORT = re.compile(r"(?:\[([^][/]+)\]|([^][/:]+)):(\d+)")


class Row(NamedTuple):
    """A certificate, or what could not be examined."""

    source: str
    state: str  # well, soon, ended, not begun or unknown
    text: str
    ends: str | None = None  # ISO 8601, UTC
    days_left: float | None = None


def judge(source: str, data: bytes, now: datetime, limit: timedelta) -> Row:
    """Judge a certificate in PEM or DER by its dates; ValueError if it cannot be read."""
    load = x509.load_pem_x509_certificate if data.startswith(b"-----") else x509.load_der_x509_certificate
    certificate = load(data)
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    left = ends - now
    if left < timedelta(0):
        state, text = "ended", f"ended on {ends:%Y-%m-%d %H:%M} UTC"
    elif begins > now:
        state, text = "not begun", f"begins only on {begins:%Y-%m-%d %H:%M} UTC"
    else:
        state = "soon" if left <= limit else "well"
        text = f"ends in {left.days} days, on {ends:%Y-%m-%d %H:%M} UTC"
    name = certificate.subject.rfc4514_string() or f"serial number {certificate.serial_number:x}"
    return Row(source, state, f"{name}: {text}", ends.isoformat(), round(left / timedelta(days=1), 2))


def read_file(path: str, now: datetime, limit: timedelta) -> list[Row]:
    """Judge each certificate in a file, none if all in it is passed over; OSError, ValueError."""
    seen = os.stat(path)
    if not stat.S_ISREG(seen.st_mode) or seen.st_size > 16 << 20:  # opening a pipe would wait for its writer
        raise ValueError("not a regular file of at most 16 MiB")
    with open(path, "rb") as file:
        data = file.read()
    rows = []
    parts = [(match[1], match[0]) for match in PEM_PART.finditer(data)] or [(b"DER", data)]
    for number, (label, part) in enumerate(parts, 1):
        if not label.endswith(PASSED_OVER):
            try:
                rows.append(judge(path, part, now, limit))
            except ValueError:
                rows.append(Row(path, "unknown", f"part {number} ({label.decode()}) is no certificate, or damaged"))
    return rows


def read_server(host: str, port: int, timeout_s: float) -> bytes:
    """Get a server's own certificate as DER; OSError, ValueError."""
    if not 0 < port < 65536:
        raise ValueError("a port is 1 to 65535")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # only the dates are wanted, of old and weak servers too
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:!aNULL:@SECLEVEL=0")
    with (
        socket.create_connection((host, port), timeout_s) as connection,
        context.wrap_socket(connection, server_hostname=host) as session,
    ):
        return session.getpeercert(binary_form=True) or b""


def examine(source: str, now: datetime, options: argparse.Namespace, is_named: bool = True) -> list[Row]:
    """Examine a source; what cannot be examined is a row, and so is a named source without a certificate."""
    rows, limit = list[Row](), timedelta(days=options.days)
    try:
        if os.path.isdir(source) and (is_named or not os.path.islink(source)):
            for file in sorted(os.scandir(source), key=lambda file: file.name):
                if file.is_dir(follow_symlinks=False) or file.name.lower().endswith((".pem", ".crt", ".cer")):
                    rows += examine(file.path, now, options, is_named=False)
        elif os.path.lexists(source):
            rows += read_file(source, now, limit)
        elif address := HOST_PORT.fullmatch(source):
            der = read_server(address[1] or address[2], int(address[3]), options.timeout)
            rows.append(judge(source, der, now, limit))
        else:
            raise ValueError("no such file or folder, and not HOST:PORT")
    except (OSError, ValueError) as error:
        rows.append(Row(source, "unknown", getattr(error, "strerror", None) or str(error)))
    return rows or [Row(source, "unknown", "no certificate in it")] * is_named


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job with these arguments, by default the process's; return the exit status."""
    parser = argparse.ArgumentParser("certificate-expiry", description="Tell which certificates end soon.")
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="a file, a folder or HOST:PORT")
    parser.add_argument("--days", type=float, default=21, help="fail if one ends within so many (default: 21)")
    parser.add_argument("--timeout", type=float, default=10, help="seconds for a server (default: 10)")
    parser.add_argument("-v", "--verbose", action="store_true", help="name those that are well, too")
    options = parser.parse_args(argv)
    if not 0 <= options.days <= 36500 or not 0 < options.timeout <= 3600:
        parser.error("--days takes 0 to 36500, --timeout more than 0 to 3600")
    now, rows = datetime.now(UTC), []
    with warnings.catch_warnings(), ThreadPoolExecutor(max_workers=8) as pool:
        warnings.simplefilter("ignore")  # on loading: a bad serial number has good dates
        for number, found in enumerate(pool.map(lambda name: examine(name, now, options), options.sources), 1):
            rows += found
            job.progress(number, len(options.sources))
    not_well = [row for row in rows if row.state != "well"]
    charset = sys.stdout.encoding
    for row in rows if options.verbose else not_well:
        line = f"{row.source}: {row.text}".encode(charset, "backslashreplace").decode(charset)
        stream = sys.stderr if row.state == "unknown" else sys.stdout
        print(line if line.isprintable() else ascii(line), file=stream)
    for listed in (rows, not_well, []):
        with suppress(ValueError):  # larger than a result may be
            job.result({"examined": len(rows), "rows": [row._asdict() for row in listed]})
            break
    return 1 if not_well else 0


if __name__ == "__main__":
    raise SystemExit(main())
