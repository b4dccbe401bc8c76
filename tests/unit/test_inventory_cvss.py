"""Scores of CVSS 3: those that FIRST's examples and NVD's entries have, and texts that are no vector."""

import json
from pathlib import Path
from typing import Any

import pytest

from headless.inventory.advisory_files import read_advisories
from headless.inventory.cvss import find_class, find_score
from headless.inventory.package import Package

V31 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"


@pytest.mark.parametrize(("vector", "score", "name"), [
    (V31, 9.8, "critical"),
    ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0, "critical"),
    ("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", 7.8, "high"),  # CVE-2021-3156
    ("CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", 7.5, "high"),  # CVE-2014-0160
    ("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N", 6.4, "medium"),  # CVE-2013-1937's kind, scope changed
    ("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1, "medium"),  # CVE-2013-1937
    ("CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N", 3.1, "low"),
    ("CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:L/I:L/A:L", 3.5, "low"),
    ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0, "none"),
    (V31 + "/E:P/RL:O/RC:C", 9.8, "critical"),
    # None of these is a vector that is read here.
    ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", None, ""),
    ("AV:N/AC:L/Au:N/C:P/I:P/A:P", None, ""),
    ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H", None, ""),
    (V31.replace("PR:N", "PR:X"), None, ""),
    (V31 + "/", None, ""),
    ("9.8", None, ""),
    ("", None, ""),
])  # fmt: skip
def test_base_scores(vector: str, score: float | None, name: str) -> None:
    assert (find_score(vector), find_class(vector)) == (score, name)


def rate(tmp_path: Path, **fields: Any) -> str:
    """What a record's severity is taken for."""
    affected = {"package": {"ecosystem": "PyPI", "name": "x"}, "versions": ["1"], **fields.pop("in_affected", {})}
    (tmp_path / "a.json").write_text(json.dumps({"id": "A-1", "affected": [affected], **fields}))
    (found,) = read_advisories([str(tmp_path / "a.json")]).find("", "", [Package("python", "x", "1")])
    return found.severity


def test_a_record_without_a_word_is_rated_by_its_highest_score(tmp_path: Path) -> None:
    low = {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N"}
    high = {"type": "CVSS_V3", "score": V31}
    assert rate(tmp_path, severity=[low]) == "low"
    assert rate(tmp_path, severity=[low, {"type": "CVSS_V3", "score": "none"}, high]) == "critical"
    assert rate(tmp_path, in_affected={"severity": [high]}) == "critical"
    assert rate(tmp_path, severity=[high], database_specific={"severity": "MODERATE"}) == "moderate"
    assert rate(tmp_path, severity=[high, {"type": "Ubuntu", "score": "low"}]) == "low"
    for severity in ([{"type": "CVSS_V4", "score": "CVSS:4.0/AV:N"}], [], "high", [7], [{"score": 7}], None):
        assert rate(tmp_path, severity=severity) == ""
