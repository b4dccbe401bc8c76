"""What a machine is: its name, operating system, kernel and processor; os-release(5), machine-id(5)."""

import os
import sys

from headless.inventory.gather.files import decode, first_line, place, read, tidy
from headless.inventory.gather.rows import Facts
from headless.inventory.sums import hash_hex

if sys.platform == "win32":
    raise ImportError("reports are made on POSIX systems only")

__all__ = ["read_system"]

RED_HAT = ("/etc/redhat-release", "/etc/fedora-release")
OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")


def read_system(root: str = "", host: str = "") -> Facts:
    """Read what this machine is, or the system in a folder. Files that are missing or odd leave a fact out.

    Args:
        root: the folder that holds the system; empty for this machine's own. Of another system, nothing is told that
            belongs to the running kernel.
        host: its name, if that is known better.
    """
    release = _read_release(root)
    names = os.uname()
    facts = {
        "host": tidy(host) or find_host(root, names.nodename),
        "system": find_system(root, release),
        "os_id": tidy(release.get("ID", "")),
        "os_version": tidy(release.get("VERSION_ID", "")),
        "arch": names.machine,
        "machine": _read_machine(root),
    }
    if not root:
        facts["kernel"] = names.release
        facts["cpu"] = _read_cpu()
    return {name: value for name, value in facts.items() if value}


def find_host(root: str, node: str) -> str:
    """The name: with its domain, if it can be found, else as the kernel has it."""
    if root:
        return first_line(place(root, "/etc/hostname")) or tidy(node)
    node = tidy(node)
    if "." in node:
        return node
    listed = _find_in_hosts(node)
    full = tidy(listed if listed is not None else _ask_resolver(node))
    return full if "." in full and not full.startswith("localhost") else node


def find_system(root: str, release: dict[str, str]) -> str:
    """The system as pakiti-client 3 words it: collectors that know its reports must find the same text here."""
    for path in RED_HAT:
        if os.path.isfile(place(root, path)) and (line := first_line(place(root, path))):
            return line
    name = release.get("ID", "")
    if name in ("debian", "devuan") and (line := first_line(place(root, "/etc/issue.net"))):
        return line
    if not release and (line := first_line(place(root, "/etc/SuSE-release"))):
        return line
    told, pretty = (tidy(release.get(key, "")) for key in ("NAME", "PRETTY_NAME"))
    version = release.get("VERSION_ID", "")
    return tidy(f"{told} {version}") if told or not pretty else pretty


def _read_release(root: str) -> dict[str, str]:
    """A shell's assignments; lines that are none are passed over."""
    for path in OS_RELEASE:
        try:
            text = decode(read(place(root, path)))
        except OSError:
            continue
        lines = (line.strip().partition("=") for line in text.split("\n") if not line.lstrip().startswith("#"))
        return {name: _unquote(value) for name, sign, value in lines if sign}
    return {}


def _unquote(value: str) -> str:
    value = value.strip()
    if len(value) >= 2 and value[0] in "\"'" and value[-1] == value[0]:
        value = value[1:-1]
    return value.replace('\\"', '"').replace("\\$", "$").replace("\\`", "`").replace("\\\\", "\\")


def _find_in_hosts(node: str) -> str | None:
    """The name that stands first on the line of /etc/hosts that has this one; ``None`` if none has."""
    try:
        text = decode(read("/etc/hosts"))
    except OSError:
        return None
    for line in text.split("\n"):
        words = line.partition("#")[0].split()
        if node in words[1:]:
            return words[1]
    return None


def _ask_resolver(node: str) -> str:
    """Ask as ``hostname --fqdn`` does. socket.getfqdn() would ask backwards, and say "localhost" on many a host."""
    # Not the module socket, which takes 10 ms to import.
    import _socket

    try:
        found = _socket.getaddrinfo(node, None, 0, _socket.SOCK_DGRAM, 0, _socket.AI_CANONNAME)
    except (OSError, UnicodeError):
        return node
    return str(found[0][3] or node)


def _read_machine(root: str) -> str:
    """What tells machines apart. machine-id(5) forbids to give the id itself away, and tells to hash it with a key."""
    identity = first_line(place(root, "/etc/machine-id"))
    if not identity or identity == "uninitialized":
        return ""
    return hash_hex(f"headless inventory {identity}".encode())[:32]


def _read_cpu() -> str:
    try:
        with open("/proc/cpuinfo", "rb", buffering=0) as file:
            text = decode(file.read(16384))
    except OSError:
        return ""
    _, found, rest = text.partition("model name")
    return tidy(rest.partition(":")[2].partition("\n")[0]) if found else ""
