"""What a person at a terminal is told to type next: the lines to paste. A script is told nothing."""

import shlex
import sys

import click

__all__ = ["show_server", "show_state", "show_user"]


def show_state(state: str) -> None:
    """After ``pki init``: how users are made."""
    _show(
        f"made an authority in {state}; next, for each user:",
        f"headless grid pki{_state(state)} user NAME --out ~/.globus",
    )


def show_user(folder: str) -> None:
    """After ``pki user``: whose certificate a client shows, and whom it trusts."""
    names = {"X509_USER_CERT": "usercert.pem", "X509_USER_KEY": "userkey.pem", "X509_CERT_DIR": "certificates"}
    lines = [f"export {name}={shlex.quote(f'{folder}/{file}')}" for name, file in names.items()]
    _show("the user's clients need these; the server's address is shown when it starts:", *lines)


def show_server(host: str, port: int) -> None:
    """When the server listens: where clients find it."""
    _show(
        "clients need this, and what 'headless grid pki user' has shown:",
        f"export ALIENPY_JCENTRAL={shlex.quote(host)} ALIENPY_JCENTRAL_PORT={port}",
    )


def _state(state: str) -> str:
    from headless.cli.grid_serve import default_grid_state
    from headless.config import read_environment

    is_default = state == default_grid_state(read_environment().state_folder)
    return "" if is_default else f" --state {shlex.quote(state)}"


def _show(title: str, *lines: str) -> None:
    if sys.stdout is not None and sys.stdout.isatty():
        click.echo("\n".join([f"# {title}", *lines]))
