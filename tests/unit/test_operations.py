"""The samples of docs/operations.md are settings that a server takes, and its metrics are those that there are."""

import re
from pathlib import Path

from headless.database.backends import check_url
from headless.inventory.web.health import PARTS
from headless.inventory.web.metrics import Figures
from headless.inventory.web.metrics_text import build_metrics as build_collector_metrics
from headless.inventory.web.settings import read_serve_settings
from headless.server.audit import AuditAction
from headless.server.hooks.actions import ActionKind
from headless.server.limits import LIMITS
from headless.server.metrics_text import build_metrics
from headless.server.policy import read_policy
from headless.server.settings import build_settings, parse_settings

WHOLE = (Path(__file__).parents[2] / "docs/operations.md").read_text()
TEXT, _, COLLECTOR = WHOLE.partition("## The inventory's collector")
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


def test_the_sample_of_the_collector_is_settings(tmp_path: Path) -> None:
    [sample] = re.findall(r"```toml\n(.*?)```", COLLECTOR, re.DOTALL)
    (tmp_path / "collector.toml").write_text(sample)
    _, web = read_serve_settings(str(tmp_path / "collector.toml"), str(tmp_path), {})
    assert (web.metrics_file, web.metrics_listen) == (
        "/var/lib/node_exporter/headless-inventory.prom",
        "127.0.0.1:9744",
    )


def find_names(metrics: bytes) -> set[str]:
    """The names of metrics, as in a text for Prometheus."""
    return set(re.findall(r"^(headless_\w+)(?:\{| )", metrics.decode(), re.MULTILINE))


def test_the_tables_of_metrics_are_whole() -> None:
    made = build_metrics([{**ROW, "name": "nightly", "last_state": "ended"}], 0, FIGURES, 0.0)
    assert set(re.findall(r"`(headless_\w+)", TEXT)) == find_names(made)
    figures = Figures(
        started_at=1, troubles=dict.fromkeys(PARTS, ""), fates={"stored": 1}, turned_away={"reports": 1}, spool=1,
        spool_limit=1, waiting=["1-1-1.0.batch"], hosts=1, held=1, last_stored=1,
    )  # fmt: skip
    assert set(re.findall(r"`(headless_\w+)", COLLECTOR)) == find_names(build_collector_metrics(figures))
    assert set(re.findall(r"headless_\w+", COLLECTOR)) == find_names(build_collector_metrics(figures))  # the alarms'
    assert set(re.findall(r"^\| `(\w+)` \|", COLLECTOR, re.MULTILINE)) >= set(PARTS)


def test_the_actions_of_the_audit_log_that_are_named_exist() -> None:
    assert set(re.findall(r"--action ([\w-]+)", WHOLE)) <= set(AuditAction)
