"""Package URLs: one line that names a package and its kind, as bills of materials have it (the purl specification)."""

from urllib.parse import quote, unquote

from headless.inventory.package import Package
from headless.inventory.report import BadReport

__all__ = ["build_purl", "parse_purl", "parse_source"]

TYPES = {"rpm": "rpm", "dpkg": "deb", "apk": "apk", "python": "pypi", "pkg": "generic", "other": "generic"}
KINDS = {"rpm": "rpm", "deb": "dpkg", "apk": "apk", "alpm": "other", "pypi": "python"}
PLAIN = ".-_~+:"  # what stands for itself: the specification asks for ':' so, and most writers keep '+'


def build_purl(package: Package, os_id: str = "") -> str:
    """Write a package's URL.

    Args:
        package: of whose URL the qualifiers hold what the specification has no other place for.
        os_id: of os-release: the namespace of a system's packages.
    """
    version = package.version
    qualifiers = {"arch": package.arch}
    if package.kind == "rpm":
        epoch, _, rest = version.partition(":")
        if rest and epoch.isdigit():
            version, qualifiers["epoch"] = rest, epoch
    if package.source or package.source_version:
        qualifiers["upstream"] = package.source + (f"@{package.source_version}" if package.source_version else "")
    if package.kind == "pkg":
        qualifiers["kind"] = "pkg"
    namespace = f"{_quote(os_id)}/" if os_id and package.kind in ("rpm", "dpkg", "apk") else ""
    tail = "&".join(f"{name}={_quote(value)}" for name, value in sorted(qualifiers.items()) if value)
    url = f"pkg:{TYPES[package.kind]}/{namespace}{_quote(package.name)}@{_quote(version)}"
    return f"{url}?{tail}" if tail else url


def parse_purl(text: str) -> Package:
    """Read a package from its URL.

    Raises:
        BadReport: it is none.
    """
    scheme, _, rest = text.partition(":")
    rest, _, _ = rest.partition("#")
    rest, _, tail = rest.partition("?")
    path, _, version = rest.strip("/").rpartition("@") if "@" in rest.rpartition("/")[2] else (rest.strip("/"), "", "")
    kind, _, name = path.partition("/")
    if scheme != "pkg" or not kind or not name:
        raise BadReport(f"{text[:60]!r} is no package URL")
    qualifiers = {key: unquote(value) for key, _, value in (part.partition("=") for part in tail.split("&"))}
    source, source_version = parse_source(qualifiers.get("upstream", ""))
    ours = qualifiers.get("kind", "") if kind == "generic" else KINDS.get(kind.lower(), "other")
    # Another ecosystem's namespace is part of the name (npm's @scope/name), a system's is the system.
    parts = name.split("/")
    named = parts[-1] if ours in ("rpm", "dpkg", "apk") else name
    return Package(
        ours if ours == "pkg" else (ours or "other"),
        unquote(named),
        _add_epoch(ours, unquote(version), qualifiers.get("epoch", "")),
        qualifiers.get("arch", ""),
        source,
        source_version,
    )


def parse_source(text: str) -> tuple[str, str]:
    """Read a source package's name and version: NAME, NAME@VERSION, or the name of rpm's file."""
    if text.endswith(".src.rpm") and "@" not in text:
        parts = text.removesuffix(".src.rpm").rsplit("-", 2)
        return (parts[0], "-".join(parts[1:])) if len(parts) == 3 else (text, "")
    source, _, version = text.partition("@")
    return source, version


def _add_epoch(kind: str, version: str, epoch: str) -> str:
    """The whole version. Some writers give dpkg's epoch as a qualifier too, and rpm's is left out where it is 0."""
    if not version or ":" in version:
        return version
    if kind == "rpm":
        return f"{epoch if epoch.isdigit() else '0'}:{version}"
    return f"{epoch}:{version}" if kind == "dpkg" and epoch.isdigit() and epoch != "0" else version


def _quote(text: str) -> str:
    return quote(text, safe=PLAIN)
