"""The samples of docs/operations.md are settings that a server takes, and its metrics are those that there are."""

import re
from pathlib import Path

from headless.database.backends import check_url
from headless.server.audit import AuditAction
from headless.server.hooks.actions import ActionKind
from headless.server.limits import LIMITS
from headless.server.metrics_text import build_metrics
from headless.server.policy import read_policy
from headless.server.settings import build_settings, parse_settings

TEXT = (Path(__file__).parents[2] / "docs/operations.md").read_text()
FIGURES = dict.fromkeys(("running", "waiting", "sessions", "refused", "hooks_failed"), 0)
ROW = {
    **dict.fromkeys(("ended", "failed", "stopped", "lost", "skipped", "failures"), 0),
    **dict.fromkeys(("last_success_at", "last_ended_at", "last_duration_s"), 1.0),
}


def test_the_samples_are_settings(tmp_path: Path) -> None:
    samples = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    module = next(sample for sample in samples if sample.startswith("# nightly_report.toml"))
    samples.remove(module)
    limits, journal, hooks, metrics = (
        build_settings(parse_settings(sample, "/etc/headless/server.toml")) for sample in samples
    )
    assert limits.limits == {"memory": 4 << 30, "max_runtime": 86_400}
    assert check_url(journal.journal, "journal").host == "db.example.org"
    (tmp_path / "nightly_report.toml").write_text(module)
    policy = read_policy(str(tmp_path / "nightly_report.py"))
    assert (policy.overlap, policy.limits["memory"]) == ("skip", 2 << 30)
    assert set(policy.limits) == set(LIMITS)
    assert {action.kind for action in hooks.on_failure} == set(ActionKind)
    assert metrics.metrics_file == "/var/lib/node_exporter/headless.prom"


def test_the_table_of_metrics_is_whole() -> None:
    text = build_metrics([{**ROW, "name": "nightly", "last_state": "ended"}], 0, FIGURES, 0.0).decode()
    made = set(re.findall(r"^(headless_\w+)(?:\{| )", text, re.MULTILINE))
    assert set(re.findall(r"`(headless_\w+)", TEXT)) == made


def test_the_actions_of_the_audit_log_that_are_named_exist() -> None:
    assert set(re.findall(r"--action ([\w-]+)", TEXT)) <= set(AuditAction)
