"""``headless grid pki``: the certificates of a grid of one's own."""

import difflib
import os
import re
from typing import TYPE_CHECKING

import click

from headless.cli.grid_hints import show_state, show_user
from headless.cli.grid_serve import default_grid_state
from headless.cli.group import OneLineGroup
from headless.config import read_environment
from headless.errors import ParameterError

if TYPE_CHECKING:
    from headless.grid.serve.registration import Registrations

__all__ = ["pki"]

HOST_NAME = re.compile(r"[A-Za-z0-9_:.-]{1,253}")
STATUS = "\n\n\b\nExit status: 0 done, 2 a name, the state folder or the authority is of no use."


@click.group(name="pki", cls=OneLineGroup)
@click.option("--state", metavar="FOLDER", help="of the grid")
@click.pass_context
def pki(context: click.Context, state: str | None) -> None:
    """Make the certificates of a grid of one's own: its authority, its host's, its users'."""
    context.obj = os.path.abspath(state or default_grid_state(read_environment().state_folder))


@pki.command(help="Make the certificate authority: all who hold one of its certificates trust it." + STATUS)
@click.pass_obj
def init(state: str) -> None:
    from headless.grid.serve.pki import Authority

    try:
        os.makedirs(state, 0o700, exist_ok=True)
        Authority.make(os.path.join(state, "pki"))
    except OSError as exc:
        raise ParameterError(f"no authority in {state}: {exc.strerror}: choose another folder with --state") from exc
    show_state(state)


@pki.command(
    help="Make a user and its certificate; one who is there gets a new certificate. A running server takes it at once."
    + STATUS
)
@click.argument("name")
@click.option(
    "--out",
    metavar="FOLDER",
    required=True,
    help="where usercert.pem, userkey.pem and certificates/, for X509_CERT_DIR, go",
)
@click.option("--role", multiple=True, help="a role beside the user's own; admin may do everything; may be repeated")
@click.option("--days", type=click.IntRange(1, 3650), default=365, show_default=True, help="until the certificate ends")
@click.option("--email", default="", help="for whoami and whois")
@click.option("--full-name", default="", help="the same")
@click.pass_obj
def user(state: str, name: str, out: str, role: tuple[str, ...], days: int, email: str, full_name: str) -> None:
    from headless.grid.serve.pki import DAY, Authority, name_user
    from headless.grid.serve.pki_files import check_own, write_authorities, write_pair
    from headless.grid.serve.registration import Registration, Registrations, check_name
    from headless.grid.serve.removals import Removals

    check_name(name, "user")
    for word in role:
        check_name(word, "role")
    authority = Authority.open(os.path.join(state, "pki"))
    subject = name_user(name)
    pair = authority.issue(subject, days * DAY, [], Removals(authority.folder).find(name))
    registration = Registration(
        name=name, subject=subject.rfc4514_string(), roles=role or None, email=email, full_name=full_name
    )
    try:
        folder = os.path.abspath(out)
        check_own(folder, ("usercert.pem", "userkey.pem"), authority)
        Registrations(state).add(registration)
        write_pair(os.path.join(folder, "usercert.pem"), os.path.join(folder, "userkey.pem"), pair)
        write_authorities(os.path.join(folder, "certificates"), authority)
    except OSError as exc:
        raise _refuse(exc, folder, "folder") from exc
    show_user(folder)


@pki.command(
    help="Remove a user: nobody logs in with a certificate or a token of that name any more, a running server lets none"
    " in at once, and ends the sessions that are open; the files stay. When 'user' makes the name anew, what was issued"
    " before stays refused." + STATUS
)
@click.argument("name")
@click.pass_obj
def remove(state: str, name: str) -> None:
    from headless.grid.serve.pki import Authority
    from headless.grid.serve.registration import Registration, Registrations, check_name
    from headless.grid.serve.removals import Removals

    check_name(name, "user")
    authority = Authority.open(os.path.join(state, "pki"))  # else this is no grid's folder
    try:
        _check_there(Registrations(state), name)
        Removals(authority.folder).note(name)
        Registrations(state).add(Registration(name=name, subject="", is_removed=True))
    except OSError as exc:
        raise _refuse(exc, state, "folder") from exc


def _check_there(registrations: "Registrations", name: str) -> None:
    """See that there is a user to be removed.

    Raises:
        ParameterError: there is none of this name.
        OSError: it is not known.
    """
    try:
        known = registrations.find_users()
    except (ValueError, TypeError, KeyError, AttributeError):
        known = None  # the server tells of it in its log
    if known is None:
        click.echo(f"whether there is a user {name} is not known before the server is started again", err=True)
    elif name not in known:
        near = difflib.get_close_matches(name, known, 1)
        meant = f": {near[0]} is meant?" if near else ""
        raise ParameterError(f"there is no user {name}{meant}")


@pki.command(help="Make a host's certificate: without --out the server's own, which it takes within a minute." + STATUS)
@click.option(
    "--host",
    "hosts",
    metavar="NAME",
    multiple=True,
    help="a name or address that clients use; may be repeated; left out: localhost's. The server's own always has"
    " these too",
)
@click.option("--days", type=click.IntRange(1, 3650), default=365, show_default=True, help="until the certificate ends")
@click.option("--out", metavar="FOLDER", help="where hostcert.pem, hostkey.pem and certificates/ go")
@click.pass_obj
def host(state: str, hosts: tuple[str, ...], days: int, out: str | None) -> None:
    from headless.grid.serve.pki import Authority
    from headless.grid.serve.pki_files import HOST, LOCAL_NAMES, check_own, write_authorities, write_pair

    for name in hosts:
        if not HOST_NAME.fullmatch(name):
            raise ParameterError(f"--host {name!r} is neither a host's name nor an address")
    authority = Authority.open(os.path.join(state, "pki"))
    # The server's own machine reaches it by localhost, and so do its jobs.
    more = LOCAL_NAMES if out is None else ()
    pair = authority.issue_host(list(dict.fromkeys([*hosts, *more])) or LOCAL_NAMES, days)
    try:
        if out is None:
            own = os.path.join(authority.folder, HOST)
            write_pair(f"{own}.pem", f"{own}.key", pair)
            return
        folder = os.path.abspath(out)
        check_own(folder, ("hostcert.pem", "hostkey.pem"), authority)
        write_pair(os.path.join(folder, "hostcert.pem"), os.path.join(folder, "hostkey.pem"), pair)
        write_authorities(os.path.join(folder, "certificates"), authority)
    except OSError as exc:
        raise _refuse(exc, out or authority.folder, "folder") from exc


@pki.command(
    help="Make the key that a storage elsewhere checks access envelopes with, for its 'macaroons.secretkey'; its"
    " 'all.sitename' must be NAME. 'headless grid serve' takes the storage with --with-storage NAME=root://HOST:PORT."
    + STATUS
)
@click.argument("name")
@click.option("--out", metavar="FILE", required=True, help="where the key goes; secret, as all files depend on it")
@click.pass_obj
def storage(state: str, name: str, out: str) -> None:
    from headless.execution.files import write_atomically
    from headless.grid.serve.envelopes import Envelopes
    from headless.grid.serve.pki import Authority
    from headless.grid.serve.stores import check_name

    check_name(name)
    authority = Authority.open(os.path.join(state, "pki"))
    try:
        key = Envelopes.open(authority.folder).derive_key_text(name)
        write_atomically(os.path.abspath(out), key.encode(), mode=0o400)
    except OSError as exc:
        raise _refuse(exc, out, "file") from exc


def _refuse(error: OSError, place: str, what: str) -> ParameterError:
    """What cannot be read or written; where a disk is full the system names no file."""
    return ParameterError(f"{error.filename or place}: {error.strerror}: choose another {what}")
