"""``headless inventory serve``: run a collector."""

import dataclasses
import os

import click

from headless.cli.serve import default_state
from headless.config import read_environment
from headless.errors import ParameterError
from headless.extras import tell_install
from headless.log import set_up_log

__all__ = ["serve"]

STATE_HELP = (
    "where the spool, what is kept and the inventory are; made if need be  "
    "[that of headless serve, and inventory in it: /var/lib/headless/inventory for root]"
)
EXIT_STATUS = (
    "\n\n\b\nExit status: 0 stopped as told, 1 the address is not to be had,"
    "\n2 a setting, the database or the state folder is of no use."
)


@click.command(name="serve", epilog=EXIT_STATUS)
@click.option("--config", default="", metavar="FILE", help="its settings, TOML: feeds, limits; an option wins")
@click.option("--state", default="", metavar="FOLDER", help=STATE_HELP)
@click.option("--listen", default="", metavar="ADDRESS", help="HOST:PORT, [IPv6]:PORT or unix:/path  [127.0.0.1:8095]")
@click.option("--database", default="", metavar="URL", help="postgresql:// or mysql:// instead of SQLite in the state")
@click.option(
    "--key",
    "keys",
    multiple=True,
    metavar="FILE",
    help="a certificate and its key, PEM: what is sealed for it is opened",
)
@click.option(
    "--allow",
    multiple=True,
    metavar="NETWORK",
    help="who may send to /feed/, where the settings have no feeds; may be repeated  [this machine]",
)
@click.option("--tls-cert", default="", metavar="FILE", help="the chain of its certificate, PEM; left out: plain HTTP")
@click.option("--tls-key", default="", metavar="FILE", help="its key, PEM; left out: in the same file")
@click.option("--client-ca", default="", metavar="FILE", help="the authorities of clients' certificates, PEM")
@click.option("--ready-fd", type=int, hidden=True)
def serve(
    config: str,
    state: str,
    listen: str,
    database: str,
    keys: tuple[str, ...],
    allow: tuple[str, ...],
    tls_cert: str,
    tls_key: str,
    client_ca: str,
    ready_fd: int | None,
) -> None:
    """Run a collector: take reports, store them, answer questions.

    \b
    headless inventory serve --state /var/lib/headless/inventory --listen 0.0.0.0:8095 --allow 192.0.2.0/24

    A report that was answered with 200 is on disk. SIGTERM ends it; what waits is processed by the next one.
    """
    from headless.execution.notify import Notifier

    try:
        from headless.inventory.web.service import run_collector
        from headless.inventory.web.settings import add_default_feed, read_serve_settings
    except ImportError as exc:
        raise ParameterError(f"{exc.name} is missing: {tell_install('inventory')}") from exc
    environment = read_environment()
    set_up_log(file=None, has_journal=environment.has_journal)
    if not config and not state:
        state = os.path.join(default_state(environment.state_folder), "inventory")
    given = {"listen": listen, "tls_cert": tls_cert, "tls_key": tls_key, "client_ca": client_ca}
    settings, web = read_serve_settings(config, state, given)
    given_keys = tuple(map(os.path.abspath, keys))
    settings = dataclasses.replace(
        add_default_feed(settings, allow),
        database=database or settings.database,
        keys=(*given_keys, *settings.keys),
        given_keys=given_keys,
    )
    run_collector(settings, web, Notifier(environment.notify_socket, ready_fd))
