"""The forms of names, as regular expressions (texts: the launcher compiles the one that it needs)."""

__all__ = ["JOB_ID", "NAME", "USER"]

JOB_ID = "[0-9A-HJKMNP-TV-Z]{26}"
"""A ULID in Crockford's base 32."""

USER = "[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,63}"

NAME = "[A-Za-z0-9_][A-Za-z0-9_.@+:-]{0,127}"
"""Of a module or a job."""
