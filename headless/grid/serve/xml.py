"""AliEn's XML collections, as text: a list of files for an analysis."""

from xml.sax.saxutils import quoteattr

from headless.grid.serve.entries import Entry

__all__ = ["XML_END", "XML_START", "format_event"]

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
