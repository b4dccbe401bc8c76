"""Spreading a fleet: a delay that is the same every time for one host and job, and another one elsewhere."""

import hashlib

__all__ = ["compute_splay"]


def compute_splay(host: str, name: str, limit_s: float) -> float:
    """The delay of a job on a host, from 0 to below ``limit_s``, in seconds."""
    digest = hashlib.sha256(f"{host}\n{name}".encode(errors="surrogateescape")).digest()
    return int.from_bytes(digest[:6], "big") / (1 << 48) * limit_s
