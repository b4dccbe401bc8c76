"""``python -I -S peak.py PROGRAM ARGUMENT...``: run it, and print the peak of its resident memory in KiB.

An interpreter of its own, and a bare one: Linux counts what the parent had before the exec as the child's peak.
"""

import os
import sys


def main() -> int:
    """Run the rest of the command line; exit with its status."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    actions = [(os.POSIX_SPAWN_DUP2, nowhere, descriptor) for descriptor in (0, 1)]
    pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=actions)
    _, status, usage = os.wait4(pid, 0)
    print(usage.ru_maxrss)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
