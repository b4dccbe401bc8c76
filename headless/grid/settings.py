"""The settings of the grid's client: alien.py's variables, files and defaults."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from headless.errors import ParameterError

__all__ = ["PREFIXES", "ClientSettings", "read_client_settings"]

PREFIXES = ("ALIENPY_", "ALIEN_", "JALIEN_", "X509_", "TMPDIR", "EDITOR", "PAGER", "XRD_")
"""Of the variables that matter here."""

DEFAULT_HOST, DEFAULT_PORT = "alice-jcentral.cern.ch", 8097
AUTHORITY_FOLDERS = (
    "/cvmfs/alice.cern.ch/etc/grid-security/certificates",
    "/cvmfs/grid.cern.ch/etc/grid-security/certificates",
    "/etc/grid-security/certificates",
)


@dataclass(frozen=True, kw_only=True)
class ClientSettings:
    """Everything that can be set.

    Attributes:
        host: of the server.
        port: of the server.
        user_certificate: path of the user's certificate, PEM.
        user_key: path of its key.
        token_certificate: path of the token, PEM.
        token_key: path of its key.
        ca_file: the authorities; ``None`` for those of the folder.
        ca_folder: with OpenSSL's hash links; ``None`` for the system's authorities.
        timeout_s: seconds without an answer after which the session counts as lost; also the pause between pings.
        check_host: whether the server's certificate must be for its host name.
    """

    host: str
    port: int
    user_certificate: str
    user_key: str
    token_certificate: str
    token_key: str
    ca_file: str | None
    ca_folder: str | None
    timeout_s: float = 20.0
    check_host: bool = True


def read_client_settings(variables: Mapping[str, str], home: str, uid: int) -> ClientSettings:
    """Build the settings from variables.

    Raises:
        ParameterError: a value is of no use.
    """
    temporary = variables.get("TMPDIR", "/tmp")  # noqa: S108  # where alien.py and its servers put tokens
    globus = os.path.join(home, ".globus")
    port = variables.get("ALIENPY_JCENTRAL_PORT", str(DEFAULT_PORT))
    if not port.isdecimal():
        raise ParameterError(f"ALIENPY_JCENTRAL_PORT is {port!r}: give a number")
    ca_file = variables.get("X509_CERT_FILE")
    folders = [variables["X509_CERT_DIR"]] if "X509_CERT_DIR" in variables else AUTHORITY_FOLDERS
    return ClientSettings(
        host=variables.get("ALIENPY_JCENTRAL", DEFAULT_HOST),
        port=int(port),
        user_certificate=variables.get("X509_USER_CERT", os.path.join(globus, "usercert.pem")),
        user_key=variables.get("X509_USER_KEY", os.path.join(globus, "userkey.pem")),
        token_certificate=variables.get("JALIEN_TOKEN_CERT", os.path.join(temporary, f"tokencert_{uid}.pem")),
        token_key=variables.get("JALIEN_TOKEN_KEY", os.path.join(temporary, f"tokenkey_{uid}.pem")),
        ca_file=ca_file,
        ca_folder=None if ca_file else next((folder for folder in folders if os.path.isdir(folder)), None),
    )
