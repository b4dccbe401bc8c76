"""One node's report, gathered and sealed, beside the programs that would do the same: dpkg-query and openssl."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.measure import Command, Sample, compute_median, measure_in_turn
from bench.report import Target

__all__ = ["Reporting", "build_report_rows", "build_report_targets", "measure_reporting"]

PEAK = str(Path(__file__).parent / "peak.py")
HEADLESS = str(Path(sys.executable).parent / "headless")
OURS, PLAIN = "headless inventory report --encrypt", "headless inventory report"
LIST, SEAL, BARE = "dpkg-query -W", "openssl smime -encrypt", "python -c pass"
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LANG": "C"}


@dataclass(frozen=True)
class Reporting:
    """What was measured.

    Attributes:
        medians: by the names above.
        peak_kib: of the sealed report's process.
        packages: in the report.
    """

    medians: dict[str, Sample]
    peak_kib: int
    packages: int

    @property
    def ratio(self) -> float:
        """Wall time, ours over the sum of the others'."""
        return self.medians[OURS].wall_s / sum(self.medians[name].wall_s for name in (LIST, SEAL, BARE))


def measure_reporting(folder: Path, rounds: int) -> Reporting:
    """Measure on this machine's own packages, in a folder of its own."""
    certificate, report = str(folder / "collector.pem"), str(folder / "report")
    _run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=collector", "-days", "2",
         "-keyout", str(folder / "collector.key"), "-out", certificate)  # fmt: skip
    words = [HEADLESS, "inventory", "report", "--site", "BENCH"]
    _run(*words, "--output", report)
    seal = ["-encrypt", "-binary", "-aes-256-cbc", "-outform", "DER", "-in", report, certificate]
    commands = {
        OURS: _command(*words, "--encrypt", certificate, "--output", str(folder / "sealed")),
        PLAIN: _command(*words, "--output", str(folder / "plain")),
        LIST: _command("/usr/bin/dpkg-query", "-W"),
        SEAL: _command("/usr/bin/openssl", "smime", *seal),
        BARE: _command(sys.executable, "-c", "pass"),
    }
    medians = {name: compute_median(samples) for name, samples in measure_in_turn(commands, rounds).items()}
    lines = Path(report).read_bytes().splitlines()
    packages = len(lines) - 2 - lines.index(b"#", 1)
    return Reporting(medians, _measure_peak(commands[OURS]), packages)


def build_report_targets(reporting: Reporting) -> list[Target]:
    """The figures that must be reached."""
    return [
        Target("a report gathered and sealed: wall", reporting.ratio, 1.0, None, "x the three"),
        Target("the same: memory", reporting.peak_kib / 1024, 40, None, "MiB"),
    ]


def build_report_rows(reporting: Reporting) -> list[tuple[str, ...]]:
    """A row for each command: wall and CPU time in ms; openssl's as our child is in neither of ours."""
    rows = [
        (name, f"{sample.wall_s * 1000:.1f}", f"{sample.cpu_s * 1000:.1f}")
        for name, sample in reporting.medians.items()
    ]
    return [*rows, (f"{reporting.packages} packages", "", "")]


def _command(*words: str) -> Command:
    return Command(list(words), ENVIRONMENT)


def _run(*words: str) -> None:
    subprocess.run(words, env=ENVIRONMENT, check=True, capture_output=True)


def _measure_peak(command: Command) -> int:
    argv = [sys.executable, "-I", "-S", PEAK, *command.argv]
    return int(subprocess.run(argv, env=command.environment, check=True, capture_output=True).stdout)
