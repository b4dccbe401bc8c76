"""Report the installed packages of the server's machine to a collector.

Arguments: --site NAME --to URL, and as needed --tag, --host, --encrypt CERT (repeatable), --sign KEY,
--sign-certificate CERT, --format text|json|cyclonedx, --interval SECONDS, --root FOLDER, --python-path FOLDER
(repeatable), --spool FOLDER, --retry-for SECONDS, --token-file, --ca-file, --certificate, --key. Name files in full: a
job starts in a folder of its own.
Exit status: 0 sent; 1 not sent: the line says whether it is kept, and sent by the next run; 2 bad options, nothing to
report, or the collector refuses it.
Duration: a second; while the collector is away, as long as --retry-for says (300 s if left out).
What it changes: nothing but its spool (~/.local/state/headless/inventory, or --spool). Stop it and run it again at any
time.
What it does not do: guess the site; run as root to see more: the lists of packages can be read by everybody.
Rights: to connect to the collector, to read the certificates, to write to the spool.
"""

import argparse
import sys
from collections.abc import Sequence

from headless import job
from headless.errors import ConnectionFailed, HeadlessError, Unavailable
from headless.inventory.certificates import close_report
from headless.inventory.delivery import Delivery, deliver
from headless.inventory.making import Wanted, make_report
from headless.inventory.outbox import open_outbox
from headless.inventory.send import Collector, read_token


def complain(line: str) -> None:
    """Tell of what went wrong."""
    print(f"package-report: {line if line.isprintable() else ascii(line)}", file=sys.stderr)


def build_parser() -> argparse.ArgumentParser:
    """The options; those of headless inventory report."""
    parser = argparse.ArgumentParser("package-report", description="Report the installed packages to a collector.")
    parser.add_argument("--site", required=True, help="the site this host belongs to")
    parser.add_argument("--to", required=True, metavar="URL", help="the collector")
    parser.add_argument("--tag", default="", help="a group of hosts")
    parser.add_argument("--host", default="", help="the host's name, if it is known better")
    parser.add_argument("--encrypt", action="append", default=[], metavar="CERT", help="seal it for this; repeatable")
    parser.add_argument("--sign", default="", metavar="KEY", help="sign it before")
    parser.add_argument("--sign-certificate", default="", metavar="CERT", help="the key's certificate")
    parser.add_argument("--format", default="text", choices=("text", "json", "cyclonedx"))
    parser.add_argument("--interval", type=int, default=0, help="report that the next one comes after so many seconds")
    parser.add_argument("--root", default="", help="look at the system in this folder")
    parser.add_argument("--python-path", action="append", default=[], help="look there too; repeatable")
    parser.add_argument("--spool", default="", help="where to keep what cannot be sent")
    parser.add_argument("--retry-for", type=float, default=300, help="seconds")
    for name in ("--token-file", "--ca-file", "--certificate", "--key"):
        parser.add_argument(name, default="", metavar="FILE")
    return parser


def report(options: argparse.Namespace) -> int:
    """Gather and send; return the size of what was sent, in bytes."""
    wanted = Wanted(
        site=options.site,
        tag=options.tag,
        host=options.host,
        root=options.root,
        folders=options.python_path,
        interval=options.interval,
        form=options.format,
    )
    data, warnings = make_report(wanted)
    data, more = close_report(
        data, encrypt=options.encrypt, sign_key=options.sign, sign_certificate=options.sign_certificate
    )
    for line in (*warnings, *more):
        complain(line)
    collector = Collector(
        url=options.to,
        token=read_token(options.token_file),
        ca_file=options.ca_file,
        certificate=options.certificate,
        key=options.key,
    )
    outbox = open_outbox(options.spool, options.to)
    if left := deliver(Delivery(collector, outbox, options.retry_for, complain), data):
        raise Unavailable(f"this report is sent, but {left} of those that waited could not be")
    return len(data)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job with these arguments, by default the process's; return the exit status."""
    parser = build_parser()
    options = parser.parse_args(argv)
    if not options.site.strip() or not 0 <= options.retry_for < float("inf") or options.interval < 0:
        parser.error("--site takes a name, --retry-for and --interval 0 or more")
    try:
        size = report(options)
    except HeadlessError as exc:
        complain(str(exc))
        return 1 if isinstance(exc, ConnectionFailed) else 2
    job.result({"bytes": size})
    return 0


if __name__ == "__main__":
    sys.exit(main())
