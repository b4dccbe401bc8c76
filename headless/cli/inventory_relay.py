"""``headless inventory relay``: send what others have put into a spool."""

import os
import sys
from typing import Any

import click

from headless.cli.inventory_options import OPTIONS, Option
from headless.cli.inventory_report import add_options
from headless.errors import ParameterError, Unavailable
from headless.launcher.talk import Talk

__all__ = ["relay"]

SPOOL = Option("spool", "Send what waits in this folder, and leave there what cannot be sent.", "FOLDER")
TAKEN = ("to", "spool", "retry-for", "timeout", "token-file", "ca-file", "certificate", "key", "expect")
EPILOG = (
    "Exit status: 0 all is sent; 1 not all, what is not stays, or is put aside; 2 a wrong option; 5 the collector "
    "refuses us."
)


@click.command(epilog=EPILOG)
@add_options([SPOOL if option.name == SPOOL.name else option for option in OPTIONS if option.name in TAKEN])
@click.pass_obj
def relay(talk: Talk, /, **values: Any) -> None:
    """Send what waits in a spool, the oldest first, to a collector that those who made it cannot reach.

    Reports get there by 'headless inventory report --spool FOLDER', or as files copied to names that end in '.report'.
    They are sent as they are: sealed ones are opened by the collector alone.
    """
    if sys.platform == "win32":
        raise ParameterError("packages are reported on POSIX systems only")
    from headless.cli.inventory_reporting import deliver_or_keep
    from headless.inventory.outbox import open_outbox
    from headless.inventory.send import split_url

    options = {name: values[name.replace("-", "_")] for name in TAKEN}
    if not options["to"] or not options["spool"]:
        raise ParameterError("give both --spool FOLDER and --to URL")
    split_url(options["to"])
    if not os.path.isdir(options["spool"]):
        raise ParameterError(f"--spool {options['spool']}: no such folder")
    left = deliver_or_keep(talk, options, open_outbox(options["spool"]), None)
    if left:
        raise Unavailable(f"{left} of the reports in {options['spool']} could not be sent")
