"""The commands that have a client's side, by name; all others are passed to the server as they are."""

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from headless.grid.errnos import EINVAL
from headless.grid.messages import GridError, Reply

if TYPE_CHECKING:
    from headless.grid.shell.shell import Shell

__all__ = ["COMMANDS", "HELP", "SERVER", "Handler", "find_handler"]

Handler = Callable[["Shell", str, list[str]], Reply]
"""Does a command: the shell, the command's name, its arguments."""

SERVER = frozenset({
    "chmod", "chown", "commandlist", "deleteMirror", "df", "du", "echo", "find", "groups", "guid2lfn",
    "guidinfo", "kill", "lfn2guid", "listCEs", "listSEs", "masterjob", "md5sum", "mirror", "mkdir", "mv",
    "packages", "pwd", "resubmit", "rm", "rmdir", "stat", "top", "touch", "type", "uptime", "user", "w", "whereis",
    "whoami", "whois", "xrdstat",
})  # fmt: skip
"""Commands that all servers have: what is offered where none is asked."""

HELP = frozenset({"-h", "-help", "--help", "--h"})

TO_XML = """toXml [-i] [-a] [-x LFN | -x file:PATH] [-l LFN | -l file:PATH] LFN...: a collection of files of the grid
toXml -local [-i] [-x PATH] [-l PATH] FILE...: of files of this machine"""
GREP = """grep [-ivnclLwxoqsHhEFGPa] [-m N] [-A N] [-B N] [-C N] PATTERN | -e PATTERN LFN...: lines of files
by the server, or with this machine's grep where the server reads no files; 1: there is no such line"""
LFN2URI = """lfn2uri LFN[@SPECS] [strict] [http]: URLs of its replicas with their envelopes, to read
lfn2uri LFN[@SPECS] meta: the same as a metalink NAME.meta4 in this folder, for xrdcp
lfn2uri LFN[@SPECS] LOCAL_FILE write: to write"""
GET_AUTHORITIES = """getCAcerts [FOLDER] [-source URL]: clone the ALICE authorities into FOLDER/certificates (~/.globus)
then: export X509_CERT_DIR=FOLDER/certificates"""
QUERY_ML = """queryML [-host URL] PREDICATE [text | xml | json]: of MonALISA, as a table
PREDICATE: FARM/CLUSTER/NODE/PARAMETER; or /BEGIN/END/PARAMETER: milliseconds since 1970, or before now: -1000"""
CCDB = """ccdb [-host URL] [-history] [-limit N] [-run N | -objtime MS] [-unixtime] [-header 'NAME: VALUE'] QUERY
ccdb -report QUERY: sizes        ccdb -get [-dst FOLDER] QUERY: download
QUERY: TASK/DETECTOR/... [/TIME] [/KEY=VALUE]..."""

# For each name: module, function, and a line of usage. An empty one: the server's help is the better one.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "cd": ("directories", "change", ""),
    "home": ("directories", "show_home", "home: print the home directory"),
    "dirs": ("directories", "show_stack", "dirs [-c] [+N | -N]: the stack of directories"),
    "pushd": ("directories", "push", "pushd [-n] [+N | -N | DIRECTORY]: go there, and keep where we were"),
    "popd": ("directories", "pop", "popd [-n] [+N | -N]: go back to the one kept last"),
    "ls": ("listing", "list_names", ""),
    "la": ("listing", "list_names", "la [OPTIONS] [LFN...]: ls -F -a"),
    "ll": ("listing", "list_names", "ll [OPTIONS] [LFN...]: ls -F -l"),
    "lla": ("listing", "list_names", "lla [OPTIONS] [LFN...]: ls -F -l -a"),
    "pfn": ("storage", "show_pfns", "pfn LFN: where its replicas are, one a line"),
    "getSE": ("storage", "show_storages", "getSE [-id | -name | -srv] [PART OF A NAME]: storage elements"),
    "SEqos": ("storage", "show_classes", "SEqos NAME...: the classes of storage elements"),
    "getCE": ("sites", "show_sites", "getCE [-name TEXT] [-host TEXT] [-part NAME]: computing elements"),
    "quota": ("quota", "show_quota", "quota [USER]: of jobs and files, used and allowed"),
    "siteJobs": ("sites", "show_jobs", "siteJobs SITE [-id] [-running] [-status TEXT] [-user TEXT]: jobs at a site"),
    "find2": ("search", "find", "find2 [cp's conditions: see cp -h] FOLDER: files below a folder"),
    "toXml": ("collection", "make_collection", TO_XML),
    "lfn2uri": ("replicas", "show_addresses", LFN2URI),
    "pfn-status": (
        "replicas",
        "show_status",
        "pfn-status [-v] PFN | LFN...: size and flags, as the storages tell them",
    ),
    "xrd_ping": ("xrootd", "ping", "xrd_ping [-c COUNT] SE | HOST[:PORT]...: how long storages take to answer"),
    "xrd_config": ("xrootd", "show_configuration", "xrd_config [-v] [-a | SE | HOST[:PORT]...]: version, role, limits"),
    "xrd_stats": ("xrootd", "show_statistics", "xrd_stats [-xml | -xmlraw] [-compact] [-a | SE | HOST[:PORT]...]"),
    "checkAddr": ("network", "check_address", "checkAddr [reference] [HOST [PORT]]: whether somebody listens there"),
    "getCAcerts": ("network", "fetch_authorities", GET_AUTHORITIES),
    "queryML": ("monitor", "query", QUERY_ML),
    "ccdb": ("conditions", "query", CCDB),
    "ps": ("jobs", "show_jobs", ""),
    "jobInfo": ("jobs", "show_job", "jobInfo ID[,ID...] [-trace] [-proc] [-jdl] [-unixtime]: all about jobs"),
    "submit": ("jobs", "submit", ""),
    "token": ("certificates", "print_token", ""),
    "token-init": ("certificates", "make_token", "token-init [-u USER] [-v DAYS] [-t TYPE]: make a new token"),
    "token-info": ("certificates", "describe", "token-info: whose the token is, and until when"),
    "token-destroy": ("certificates", "remove_token", "token-destroy: remove the token's files"),
    "token-verify": ("certificates", "verify", "token-verify: check the token with the known authorities"),
    "cert-info": ("certificates", "describe", "cert-info: whose the user certificate is, and until when"),
    "cert-verify": ("certificates", "verify", "cert-verify: check the user certificate with the known authorities"),
    "certkey-match": ("certificates", "match", "certkey-match: whether the user certificate and its key match"),
    "tokenkey-match": ("certificates", "match", "tokenkey-match: whether the token and its key match"),
    "ping": ("talk", "ping", "ping [COUNT]: how long the server takes to answer"),
    "time": ("talk", "measure", "time COMMAND ARGUMENTS: how long a command takes"),
    "version": ("talk", "show_version", "version: of this program"),
    "prompt": ("talk", "set_prompt", "prompt date|pwd: show the time, or the local folder, in the prompt; or no more"),
    "exitcode": ("talk", "show_code", "exitcode: of the command before"),
    "$?": ("talk", "show_code", "$?: exit code of the command before"),
    "help": ("talk", "help", "help [COMMAND]"),
    "?": ("talk", "help", "? [COMMAND]"),
    "exit": ("talk", "leave", "exit [CODE] [stderr] [MESSAGE]"),
    "quit": ("talk", "leave", "quit [CODE] [stderr] [MESSAGE]"),
    "logout": ("talk", "leave", "logout [CODE] [stderr] [MESSAGE]"),
    "cp": ("copying", "copy", "cp [OPTIONS] SOURCE... TARGET: copy files from or to the grid, or within it"),
    "cat": ("files", "print_files", "cat LFN...: print files"),
    "grep": ("grep", "search", GREP),
    "less": ("files", "page", "less LFN: look at a file with this machine's less"),
    "more": ("files", "page", "more LFN: look at a file with this machine's more"),
    "edit": ("edit", "edit", "edit [-datebck] LFN[@SPECS]: with $EDITOR, and upload it if it changed"),
    "vi": ("edit", "edit", "vi [-datebck] LFN[@SPECS]"),
    "vim": ("edit", "edit", "vim [-datebck] LFN[@SPECS]"),
    "nano": ("edit", "edit", "nano [-datebck] LFN[@SPECS]"),
    "mcedit": ("edit", "edit", "mcedit [-datebck] LFN[@SPECS]"),
    "run": ("files", "run", "run COMMAND ARGUMENTS LFN: a command of this machine on a file; several as alien:LFN"),
    "exec": ("files", "execute", "exec LFN ARGUMENTS: run a script of the grid on this machine"),
}

# How many words these take: what they do not understand, they would pass over in silence.
MOST = {
    **dict.fromkeys(("home", "version", "exitcode", "$?", "token-info", "token-destroy", "token-verify"), 0),
    **dict.fromkeys(("cert-info", "cert-verify", "certkey-match", "tokenkey-match"), 0),
    **dict.fromkeys(("help", "?", "ping", "dirs", "quota"), 1),
    **dict.fromkeys(("pushd", "popd", "getSE"), 2),
}
# Likewise, of the server's: options are for it to understand.
MOST_OF_SERVER = {"cd": 1, **dict.fromkeys(("pwd", "whoami", "uptime", "motd", "commandlist"), 0)}


def find_handler(name: str, args: list[str]) -> Handler:
    """What does a command; where help is asked for, what gives it.

    Raises:
        GridError: EINVAL: it was given more than it takes.
    """
    is_help = bool(args) and args[0] in HELP and name != "cp"  # which has a page of it
    if not is_help:
        _check_count(name, args)
    if name not in COMMANDS:
        return _pass
    module, function, usage = COMMANDS[name]
    if is_help:
        return _show_usage if usage else _pass
    handler: Handler = getattr(importlib.import_module(f"headless.grid.shell.{module}"), function)
    return handler


def _check_count(name: str, args: list[str]) -> None:
    words = args
    if name in MOST_OF_SERVER:
        words = [word for word in args if word == "-" or not word.startswith("-")]
    most = MOST.get(name, MOST_OF_SERVER.get(name, len(words)))
    if len(words) > most:
        takes = "no arguments" if not most else "one argument" if most == 1 else f"{most} arguments"
        raise GridError(EINVAL, f"{name}: {words[most]!r} is too much: it takes {takes}")


def _pass(shell: "Shell", name: str, args: list[str]) -> Reply:
    return shell.send(name, *args)


def _show_usage(shell: "Shell", name: str, args: list[str]) -> Reply:
    return shell.answer(COMMANDS[name][2])
