"""Rules that are meant for no host: a name in them that is written wrong must not be taken for a clean bill."""

from collections.abc import Collection

from headless.inventory.reference import Reference
from headless.inventory.rule import HostFacts, Rule

__all__ = ["explain_idle"]

SHOWN = 8
"""Rules that are told one by one."""


def explain_idle(reference: Reference, hosts: Collection[HostFacts]) -> tuple[str, ...]:
    """A line for each rule that is meant for none of these hosts; none at all if there are no hosts."""
    idle = [rule for rule in reference.rules if not any(map(rule.applies, hosts))] if hosts else []
    lines = [
        f"rule {rule.number} ({str(rule.selector)!r}) is meant for no host here ({_tell_audience(rule)})"
        for rule in idle[:SHOWN]
    ]
    if len(idle) > SHOWN:
        lines.append(f"nor are {len(idle) - SHOWN} more rules")
    return tuple(lines)


def _tell_audience(rule: Rule) -> str:
    systems = tuple(map(str, rule.systems))
    named = (("os", systems), ("tag", rule.tags), ("site", rule.sites))
    return ", ".join(f"{what} {' or '.join(map(repr, texts))}" for what, texts in named if texts)
