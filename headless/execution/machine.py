"""The machine's present run. Only the standard library."""

__all__ = ["read_boot_id"]


def read_boot_id() -> str:
    """A name that the machine's present run has, and no other run (random(4))."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()
