"""AliEn's XML collections, as text: a list of files for an analysis."""

from collections.abc import Mapping
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from headless.grid.serve.entries import Entry

__all__ = ["XML_END", "XML_START", "format_event", "parse_collection"]

XML_START = '<?xml version="1.0"?>\n<alien>\n  <collection name="tempCollection">'
XML_END = '    <info command="find"/>\n  </collection>\n</alien>'


def format_event(number: int, entry: Entry) -> str:
    """One file, as the event of that number, counted from 1."""
    values = {
        "name": entry.name,
        "aclId": "",
        "broken": "0",
        "ctime": str(entry.modified_ms),
        "dir": "",
        "entryId": "",
        "expiretime": "" if entry.expires_ms is None else str(entry.expires_ms),
        "gowner": entry.group,
        "guid": entry.guid,
        "guidtime": "",
        "lfn": entry.path,
        "md5": entry.md5,
        "owner": entry.owner,
        "perm": f"{entry.mode:03o}",
        "replicated": "0",
        "size": str(entry.size),
        "turl": "alien://" + entry.path,
        "type": entry.kind,
    }
    attributes = " ".join(f"{name}={quoteattr(value)}" for name, value in values.items())
    return f'    <event name="{number}">\n      <file {attributes} />\n    </event>'


def parse_collection(data: bytes) -> list[dict[str, str]]:
    """The files of a collection, with the attributes that it has of each.

    Raises:
        ValueError: it is none.
    """
    names: set[str] = set()
    found: list[dict[str, str]] = []

    def start(name: str, attributes: Mapping[str, str]) -> None:
        names.add(name)
        if name == "file" and attributes.get("lfn"):
            found.append(dict(attributes))

    def refuse(*_: object) -> None:
        raise ValueError("it has a document type, which may grow without end")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except expat.ExpatError as exc:
        raise ValueError(str(exc)) from exc
    if "collection" not in names:
        raise ValueError("it has no element 'collection'")
    return found
