"""Which commands may be sent again when their answer was lost: those that do no harm twice."""

from collections.abc import Sequence

__all__ = ["is_repeatable"]

READ = frozenset(
    {
        "pwd",
        "cd",
        "user",
        "su",
        "whoami",
        "commandlist",
        "motd",
        "version",
        "ping",
        "time",
        "timing",
        "uptime",
        "uuid",
        "echo",
        "w",
        "ls",
        "stat",
        "type",
        "find",
        "cat",
        "grep",
        "whereis",
        "toXml",
        "lfn2guid",
        "guid2lfn",
        "guidinfo",
        "md5sum",
        "df",
        "du",
        "fquota",
        "jquota",
        "groups",
        "whois",
        "showTagValue",
        "listFilesFromCollection",
        "listSEs",
        "listSEDistance",
        "listTransfer",
        "listCEs",
        "listpartitions",
        "xrdstat",
        "randomPFNs",
        "changeDiff",
        "ps",
        "top",
        "masterjob",
        "jobListMatch",
        "packages",
        "testSE",
        "setSite",
        "optimiserLogs",
        "token",
        "access",
    }
)

# They end in the same state however often they are done, but for what another does in between.
SAME = ("chmod", "chown")


def is_repeatable(command: str, options: Sequence[str]) -> bool:
    """Whether it may be sent again although it may have been done.

    ``submit``, ``rm``, ``mv``, ``commit``, ``kill`` and all that is not known here may not.
    """
    if command == "mkdir":
        return "-p" in options
    if command == "masterjob":
        return not {"kill", "resubmit", "merge", "expunge"} & {option.lstrip("-") for option in options}
    if command in READ or command in SAME:
        return not (command in ("fquota", "jquota") and "set" in options)
    return False
