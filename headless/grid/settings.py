"""The settings of the grid's client: alien.py's variables, files and defaults."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from headless.config import read_environment, read_variables
from headless.errors import ParameterError
from headless.transport.address import TcpAddress, parse_address

__all__ = ["ClientSettings", "open_settings", "read_client_settings"]

PREFIXES = ("ALIENPY_", "ALIEN_", "JALIEN_", "X509_", "TMPDIR", "EDITOR", "PAGER", "XRD_", "HEADLESS_GRID_")
"""Of the variables that matter here."""

DEFAULT_HOST, DEFAULT_PORT = "alice-jcentral.cern.ch", 8097
AUTHORITY_FOLDERS = (
    "/cvmfs/alice.cern.ch/etc/grid-security/certificates",
    "/cvmfs/grid.cern.ch/etc/grid-security/certificates",
    "/etc/grid-security/certificates",
)
FAMILIES = {"4": 4, "ipv4": 4, "6": 6, "ipv6": 6}
NO = ("0", "false", "no", "off")


@dataclass(frozen=True, kw_only=True)
class ClientSettings:
    """Everything that can be set.

    Attributes:
        servers: host and port of each that may be used, the first that can be reached is.
        user_certificate: path of the user's certificate, or the PEM text itself.
        user_key: path of its key, or its text.
        is_user_named: whether the variables name the user's certificate, and no token.
        token_certificate: path of the token, or its text.
        token_key: path of its key, or its text.
        ca_file: the authorities; ``None`` for those of the folder.
        ca_folder: with OpenSSL's hash links; ``None`` for the system's authorities.
        temporary: folder for what lives as long as a command.
        home: the user's own folder.
        uid: the user's number.
        site: that the session is told to be near to; empty for none.
        timeout_s: seconds without an answer after which the session counts as lost; also the pause between pings.
        command_limit_s: seconds that a command may take; 0 for as long as it takes.
        tries: how often to connect before giving up, while it may still help.
        try_pause_s: seconds between these.
        is_staggered: whether a host's addresses are tried one beside the other (RFC 8305).
        ip_version: 4 or 6 for these addresses only; 0 for both.
        check_host: whether the server's certificate must be for its host name.
        format: of what is printed: ``text``, ``json`` or ``jsonl``.
        is_timed: whether the time that connecting took is told.
        debug_file: where to log; empty for nowhere.
        is_debug_appended: whether the log is kept from run to run.
        keeps_directory: whether the interactive shell begins where the last one ended.
        prompt_date: whether its prompt shows the time.
        prompt_directory: whether its prompt shows the local folder.
        keeps_history: whether what was typed there is kept.
        notes: what is odd about the variables, a line each, for people.
        editor: of the user, or empty.
        pager: of the user, or empty.
    """

    servers: tuple[tuple[str, int], ...]
    user_certificate: str
    user_key: str
    token_certificate: str
    token_key: str
    ca_file: str | None
    ca_folder: str | None
    temporary: str
    home: str
    uid: int
    is_user_named: bool = False
    site: str = ""
    timeout_s: float = 20.0
    command_limit_s: float = 600.0
    tries: int = 3
    try_pause_s: float = 0.3
    is_staggered: bool = True
    ip_version: int = 0
    check_host: bool = True
    format: str = "text"
    is_timed: bool = False
    debug_file: str = ""
    is_debug_appended: bool = False
    keeps_directory: bool = True
    prompt_date: bool = False
    prompt_directory: bool = False
    keeps_history: bool = True
    notes: tuple[str, ...] = ()
    editor: str = ""
    pager: str = ""


def open_settings(more: Mapping[str, str] = MappingProxyType({})) -> ClientSettings:
    """The settings of this process.

    Args:
        more: variables that win over those of the environment.

    Raises:
        ParameterError: a variable is of no use, or this is no POSIX system.
    """
    if not hasattr(os, "getuid"):
        raise ParameterError("headless grid is for POSIX systems only")
    return read_client_settings({**read_variables(PREFIXES), **more}, read_environment().home, os.getuid())


def read_client_settings(variables: Mapping[str, str], home: str, uid: int) -> ClientSettings:
    """Build the settings from variables.

    Raises:
        ParameterError: a value is of no use.
    """
    temporary = variables.get("TMPDIR", "/tmp")  # noqa: S108  # where alien.py and its servers put tokens
    globus = os.path.join(home, ".globus")
    ca_file, ca_folder, notes = _find_authorities(variables, globus)
    return ClientSettings(
        servers=_find_servers(variables, temporary, uid),
        user_certificate=variables.get("X509_USER_CERT", os.path.join(globus, "usercert.pem")),
        user_key=variables.get("X509_USER_KEY", os.path.join(globus, "userkey.pem")),
        token_certificate=variables.get("JALIEN_TOKEN_CERT", os.path.join(temporary, f"tokencert_{uid}.pem")),
        token_key=variables.get("JALIEN_TOKEN_KEY", os.path.join(temporary, f"tokenkey_{uid}.pem")),
        ca_file=ca_file,
        ca_folder=ca_folder,
        notes=notes,
        temporary=temporary,
        home=home,
        uid=uid,
        is_user_named="X509_USER_CERT" in variables and "JALIEN_TOKEN_CERT" not in variables,
        site=variables.get("ALIEN_SITE", ""),
        timeout_s=_read_number(variables, "ALIENPY_TIMEOUT", 20.0, 1),
        command_limit_s=_read_number(variables, "HEADLESS_GRID_COMMAND_TIMEOUT", 600.0, 0),
        tries=int(_read_number(variables, "ALIENPY_CONNECT_TRIES", 3, 1)),
        try_pause_s=_read_number(variables, "ALIENPY_CONNECT_TRIES_INTERVAL", 0.3, 0),
        is_staggered=not _is_on(variables, "ALIENPY_NO_STAGGER"),
        ip_version=_read_family(variables),
        check_host=not _is_on(variables, "HEADLESS_GRID_NO_HOST_CHECK"),
        format="json" if _is_on(variables, "ALIENPY_JSON") else "text",
        is_timed=_is_on(variables, "ALIENPY_TIMECONNECT"),
        debug_file=_find_debug_file(variables, home),
        is_debug_appended=_is_on(variables, "ALIENPY_DEBUG_APPEND"),
        keeps_directory=not _is_on(variables, "ALIENPY_NO_CWD_RESTORE"),
        keeps_history=not _is_on(variables, "ALIENPY_NO_HISTORY"),
        prompt_date=_is_on(variables, "ALIENPY_PROMPT_DATE"),
        prompt_directory=_is_on(variables, "ALIENPY_PROMPT_CWD"),
        editor=variables.get("EDITOR", ""),
        pager=variables.get("PAGER", ""),
    )


def _find_authorities(variables: Mapping[str, str], globus: str) -> tuple[str | None, str | None, tuple[str, ...]]:
    """File or folder of the authorities, and a note. As alien.py has it: a folder that is named counts more than a
    file, the default folders less.
    """
    file = variables.get("X509_CERT_FILE")
    name, folder = "X509_CERT_DIR", variables.get("X509_CERT_DIR")
    if _is_on(variables, "ALIENPY_USE_LOCAL_CAS"):
        name, local = "ALIENPY_USE_LOCAL_CAS", variables["ALIENPY_USE_LOCAL_CAS"]
        folder = local if "/" in local else os.path.join(globus, "certificates")
    if folder is None:
        return (file, None, ()) if file else (None, next(filter(os.path.isdir, AUTHORITY_FOLDERS), None), ())
    if not os.path.isdir(folder):
        raise ParameterError(f"{name} is {folder!r}, which is no folder: give the one of the authorities")
    if file and not os.path.isfile(file):
        return None, folder, (f"X509_CERT_FILE is {file!r}, which is no file: {name} is used alone",)
    return None, folder, ()


def _find_servers(variables: Mapping[str, str], temporary: str, uid: int) -> tuple[tuple[str, int], ...]:
    """Where to connect, in turn: the one that is named, else a local proxy (JBox), then the central services."""
    if "ALIENPY_JCENTRAL" in variables:
        return (_read_central(variables),)
    servers = []
    if "JALIEN_HOST" in variables:
        servers.append((variables["JALIEN_HOST"], _read_port(variables, "JALIEN_WSPORT")))
    proxy = _read_proxy(os.path.join(temporary, f"jclient_token_{uid}"), uid)
    if proxy is not None:
        servers.append(proxy)
    return (*servers, (DEFAULT_HOST, _read_port(variables, "ALIENPY_JCENTRAL_PORT")))


def _read_central(variables: Mapping[str, str]) -> tuple[str, int]:
    """A host; or, which alien.py does not take, ``HOST:PORT``."""
    text, port = variables["ALIENPY_JCENTRAL"], _read_port(variables, "ALIENPY_JCENTRAL_PORT")
    if text.startswith("[") and text.endswith("]"):
        return text[1:-1], port
    if ":" not in text or ("[" not in text and text.count(":") > 1):
        return text, port
    try:
        address = parse_address(text)
    except ParameterError as exc:
        raise ParameterError(
            f"ALIENPY_JCENTRAL is {text!r}: give a host, and the port as ALIENPY_JCENTRAL_PORT"
        ) from exc
    if not isinstance(address, TcpAddress) or port not in (address.port, DEFAULT_PORT):
        raise ParameterError(f"ALIENPY_JCENTRAL is {text!r}, and ALIENPY_JCENTRAL_PORT is {port}: give one port")
    return address.host, address.port


def _read_proxy(path: str, uid: int) -> tuple[str, int] | None:
    """The address in a ``jclient_token`` file; ``None`` unless file and process are this very user's."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, encoding="utf-8", errors="replace") as file:
            if os.fstat(descriptor).st_uid != uid:
                return None
            pairs = (line.partition("=") for line in file.read(65536).splitlines())
        values = {name.strip(): value.strip() for name, _, value in pairs}
        if os.stat(f"/proc/{int(values.get('JALIEN_PID', ''))}").st_uid != uid:
            return None
        port = int(values.get("JALIEN_WSPORT", DEFAULT_PORT))
    except (OSError, ValueError):
        return None
    return (values.get("JALIEN_HOST", "localhost"), port) if 0 < port < 65536 else None


def _read_port(variables: Mapping[str, str], name: str) -> int:
    text = variables.get(name, str(DEFAULT_PORT))
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536):
        raise ParameterError(f"{name} is {text!r}: give a number from 1 to 65535")
    return int(text)


def _read_number(variables: Mapping[str, str], name: str, default: float, least: float) -> float:
    text = variables.get(name, str(default))
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not least <= value < 1e9:
        raise ParameterError(f"{name} is {text!r}: give a number, {least:g} or more")
    return value


def _read_family(variables: Mapping[str, str]) -> int:
    text = variables.get("ALIENPY_NETWORKSTACK", "")
    if text and text.lower() not in FAMILIES:
        raise ParameterError(f"ALIENPY_NETWORKSTACK is {text!r}: give 4 or 6")
    return FAMILIES.get(text.lower(), 0)


def _find_debug_file(variables: Mapping[str, str], home: str) -> str:
    if not (_is_on(variables, "ALIENPY_DEBUG") or "ALIENPY_DEBUG_FILE" in variables):
        return ""
    return variables.get("ALIENPY_DEBUG_FILE", os.path.join(home, "alien_py.log"))


def _is_on(variables: Mapping[str, str], name: str) -> bool:
    return variables.get(name, "0").lower() not in NO
