"""What Windows has not, told in words. The system's name is pretended: there is no Windows among the peers."""

import sys

import pytest

from headless.cli.commands import POSIX_ONLY, run_command
from headless.config import read_environment
from headless.errors import ParameterError
from headless.launcher.embedded import embedded_addresses, ensure_server
from headless.launcher.talk import Talk
from headless.transport.address import UnixAddress
from headless.transport.client import connect


@pytest.fixture(autouse=True)
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be on Windows, as far as our own code asks."""
    environment = read_environment()
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr("headless.config.read_environment", lambda: environment)


def test_there_is_no_embedded_server_and_the_error_names_the_option() -> None:
    from headless.config import read_environment

    for function in (embedded_addresses, ensure_server):
        with pytest.raises(ParameterError, match="give --service HOST:PORT"):
            function(read_environment())


@pytest.mark.parametrize("name", POSIX_ONLY)
def test_what_is_a_servers_business_is_refused(name: str) -> None:
    with pytest.raises(ParameterError, match=f"headless {name} is for POSIX systems only"):
        run_command([name], Talk(0))


def test_there_are_no_unix_sockets() -> None:
    with pytest.raises(ParameterError, match="no unix sockets on Windows"):
        connect(UnixAddress("/run/x.sock"), None, 1.0)
