"""The errnos that the grid speaks, its server, its client and its files alike: Linux's, whatever system this is."""

__all__ = [
    "E2BIG",
    "EACCES",
    "EBADFD",
    "EBADR",
    "EBUSY",
    "ECANCELED",
    "EDQUOT",
    "EEXIST",
    "EFBIG",
    "EINVAL",
    "EIO",
    "EISDIR",
    "EKEYEXPIRED",
    "EKEYREJECTED",
    "ELOOP",
    "ENAMETOOLONG",
    "ENODATA",
    "ENOENT",
    "ENOKEY",
    "ENOLINK",
    "ENOMSG",
    "ENOSPC",
    "ENOSYS",
    "ENOTCONN",
    "ENOTDIR",
    "ENOTEMPTY",
    "ENOTSUP",
    "EOPNOTSUPP",
    "EPERM",
    "EPROTO",
    "EREMOTEIO",
    "ESRCH",
    "ETIMEDOUT",
    "IN_DOUBT",
]

EPERM = 1
ENOENT = 2
ESRCH = 3
EIO = 5
E2BIG = 7
EACCES = 13
EBUSY = 16
EEXIST = 17
ENOTDIR = 20
EISDIR = 21
EINVAL = 22
EFBIG = 27
ENOSPC = 28
ENAMETOOLONG = 36
ENOSYS = 38
ENOTEMPTY = 39
ELOOP = 40
ENOMSG = 42
EBADR = 53
ENODATA = 61
ENOLINK = 67
EPROTO = 71
EBADFD = 77
ENOTSUP = 95
EOPNOTSUPP = 95
ENOTCONN = 107
ETIMEDOUT = 110
EREMOTEIO = 121
EDQUOT = 122
ECANCELED = 125
ENOKEY = 126
EKEYEXPIRED = 127
EKEYREJECTED = 129

IN_DOUBT = (EPROTO, ENOTCONN, ETIMEDOUT)
"""What a session fails with when a command may have been done, or not."""
