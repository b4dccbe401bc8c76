"""``headless inventory``: what is installed where, reported, kept and compared."""

import importlib

import click

from headless.cli.group import OneLineGroup

__all__ = ["inventory"]

EPILOG = """\
\b
Exit status: 0 done; 1 no connection; 2 a bad parameter or file; 4 a host falls short of its reference; 5 refused.
"""

# Named here too, for a report need not wait for their declaration in headless.inventory.questions.
ASKED = (
    "census",
    "conform",
    "diff",
    "drift",
    "history",
    "hosts",
    "packages",
    "show",
    "silent",
    "vulnerable",
    "who-has",
)

# The module that holds each command, as an object of the command's name with _ for -; imported when used.
OWN: dict[str, str] = {
    "backup": "headless.cli.inventory_backup",
    "check": "headless.cli.inventory_check",
    "relay": "headless.cli.inventory_relay",
    "report": "headless.cli.inventory_report",
    "serve": "headless.cli.inventory_serve",
    "reprocess": "headless.cli.inventory_admin",
    "retire": "headless.cli.inventory_admin",
    "review": "headless.cli.inventory_review",
    "take": "headless.cli.inventory_admin",
    "token": "headless.cli.inventory_admin",
    **dict.fromkeys(ASKED, "headless.cli.inventory_ask"),
}


class _Inventory(OneLineGroup):
    """Its commands are imported when used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(OWN)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in OWN:
            return None
        command: click.Command = getattr(importlib.import_module(OWN[cmd_name]), cmd_name.replace("-", "_"))
        return command


@click.group(
    name="inventory",
    cls=_Inventory,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
def inventory() -> None:
    """What is installed where: report it, collect it, ask."""
