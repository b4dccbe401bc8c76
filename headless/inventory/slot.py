"""When a host reports: a time of its own, the same on each day, so that a fleet's reports do not come all at once."""

from headless.errors import ParameterError
from headless.inventory.sums import hash_hex

__all__ = ["DAY_S", "build_slot"]

DAY_S = 86400
HOUR_S = 3600


def build_slot(site: str, host: str, interval_s: int = DAY_S) -> str:
    """A cron expression of plain numbers, computed from the two names: no chance is in it.

    Args:
        site, host: the names.
        interval_s: how often: a day, or a number of hours that parts a day.

    Raises:
        ParameterError: the interval is neither.
    """
    hours, rest = divmod(interval_s, HOUR_S)
    if rest or not 1 <= hours <= 24 or 24 % hours:
        raise ParameterError(f"--interval {interval_s}: a schedule needs 86400, or hours that part a day, as 21600")
    slot = int(hash_hex(f"{site}/{host}".encode()), 16) % (hours * 60)
    hour, minute = divmod(slot, 60)
    listed = ",".join(str(hour + step) for step in range(0, 24, hours))
    return f"{minute} {listed} * * *"
