"""XRootD's ways to say what went wrong, as errnos."""

import errno

from headless.grid.errnos import ENODATA, EREMOTEIO

__all__ = ["find_errno"]

# XProtocol's XErrorCode: what a storage answers. A file that it has not got is in the catalogue all the same: ENOENT
# is for an LFN that is not there.
ANSWERS = {
    3000: errno.EINVAL,
    3001: errno.EINVAL,
    3002: errno.ENAMETOOLONG,
    3003: errno.EBUSY,
    3006: errno.EINVAL,
    3008: errno.ENOMEM,
    3009: errno.ENOSPC,
    3010: errno.EACCES,
    3011: ENODATA,
    3013: errno.EOPNOTSUPP,
    3014: errno.EHOSTUNREACH,
    3015: errno.EISDIR,
    3016: errno.EISDIR,
    3017: errno.ECANCELED,
    3018: errno.EEXIST,
    3019: errno.EBADMSG,
    3021: 122,  # EDQUOT
    3025: errno.EROFS,
    3030: errno.EACCES,
}
# XrdCl's own codes, in XrdClStatus.hh.
CLIENT = {
    103: errno.ETIMEDOUT,
    204: errno.EACCES,
    206: errno.ETIMEDOUT,
    207: errno.ECANCELED,
    208: errno.ETIMEDOUT,
    304: ENODATA,
    305: errno.EBADMSG,
}


def find_errno(code: int, number: int) -> int:
    """The errno of a failure.

    Args:
        code: of XRootD's client.
        number: what it calls errno: an errno of this machine, or a storage's answer; 0 for neither.
    """
    if 0 < number < 1000:
        return number
    if number in ANSWERS:
        return ANSWERS[number]
    return CLIENT.get(code, EREMOTEIO)
