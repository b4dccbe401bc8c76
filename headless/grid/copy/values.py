"""What is to be copied, how, and what became of it. Values only."""

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["CopyOptions", "Known", "Status", "Transfer", "TransferResult"]

Status = Literal["copied", "same", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a file.

    Attributes:
        size: in bytes.
        md5: 32 hexadecimal digits; empty where nobody has said.
    """

    size: int
    md5: str = ""


@dataclass(frozen=True, slots=True)
class Transfer:
    """One file to copy.

    Attributes:
        lfn: of the file on the grid, absolute; of an upload and of a copy within the grid, the target's.
        path: of the file on this machine, absolute; of a copy within the grid, the source's LFN.
        is_upload: whether the LFN is the target.
        is_within_grid: whether ``path`` is an LFN too.
        specs: storage wished for, as after ``@``: ``disk:2,ALICE::X::SE,!ALICE::Y::SE``.
        source: what is known of the source; ``None`` if that must be asked for.
        is_new: whether the target is known to be absent; then it is not asked for.
        root: of a download, the folder that nothing is written outside of; empty for the path's own.
    """

    lfn: str
    path: str
    is_upload: bool
    is_within_grid: bool = False
    specs: str = ""
    source: Known | None = None
    is_new: bool = False
    root: str = ""


@dataclass(frozen=True, kw_only=True)
class CopyOptions:
    """How to copy; the defaults are alien.py's.

    Attributes:
        force: replace targets that differ.
        parallel: files copied at a time.
        streams: more TCP streams a connection, 0 to 15.
        chunks: pieces of a file under way at a time.
        chunk_size: of a piece, in bytes.
        sources: replicas that a download reads from at a time.
        timeout_s: seconds for one try at one file's bytes, and two more; 0 for as long as they flow.
        retries: tries more that XRootD makes on its own.
        rate_threshold: slowest rate that is put up with, bytes a second; 0 for any.
        unzip_here: fetch whole archives and take the members out here, instead of letting XRootD do it.
        strict_specs: storage that is not asked for by name or class is never used, also not to recover.
        recover: whether other storage is tried where the first fails.
        posc: have the storage remove what was not closed well.
    """

    force: bool = False
    parallel: int = 8
    streams: int = 0
    chunks: int = 4
    chunk_size: int = 4 << 20
    sources: int = 1
    timeout_s: int = 0
    retries: int = 2
    rate_threshold: int = 0
    unzip_here: bool = False
    strict_specs: bool = False
    recover: bool = True
    posc: bool = True


@dataclass(frozen=True, slots=True)
class TransferResult:
    """What became of one file.

    Attributes:
        lfn: see :class:`Transfer`.
        path: see :class:`Transfer`.
        status: copied; same: the target was there and is equal; failed; skipped: an earlier run has done it.
        code: 0, or the errno of the failure.
        error: one line; empty unless it failed.
        size: in bytes; 0 if it is not known.
        md5: of the content; empty if it is not known.
        seconds: that it took.
        storages: where the replicas are that were written or read.
        is_upload: see :class:`Transfer`.
    """

    lfn: str
    path: str
    status: Status
    code: int = 0
    error: str = ""
    size: int = 0
    md5: str = ""
    seconds: float = 0.0
    storages: tuple[str, ...] = field(default=())
    is_upload: bool = False
