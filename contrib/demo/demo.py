"""``make demo``: the main job on the embedded server, each launch with its command line, output and exit code.

Everything happens in a temporary folder, which is gone at the end, and so is the server.
"""

import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent


def main(program: str) -> int:
    """Run the demo with this ``headless``; return 0 if every launch ended as it should."""
    with tempfile.TemporaryDirectory(prefix="headless-demo-") as folder:
        home = Path(folder)
        environment = {"HOME": folder, "PATH": f"{Path(program).resolve().parent}:/usr/bin:/bin", "LANG": "C.UTF-8"}
        old = home / "logs" / "january.log"
        old.parent.mkdir()
        old.write_text("an old log\n")
        os.utime(old, (time.time() - 90 * 86400,) * 2)
        (home / "logs" / "today.log").write_text("a new log\n")
        script = os.path.relpath(HERE / "disk_report.py")

        def show(title: str, expected: int, *arguments: str) -> bool:
            return run(title, expected, list(arguments), environment)

        try:
            good = [
                show("A shipped module on real input: delete logs older than 30 days", 0,
                     "-m", "tidy", "-t", "-1", "-o", "-", "--", "--days", "30", "-v", str(old.parent)),
                show("A script file, with arguments, and its result", 0,
                     "-f", script, "-t", "-1", "-o", "-", "--", "/", "/tmp"),  # noqa: S108  # a folder to look at
                show("A code snippet; silent, for all is well", 0, "-c", "print(6 * 7)", "-t", "-1"),
                show("The same with a look at what it says", 0, "-c", "print(6 * 7)", "-t", "-1", "-o", "-", "-v"),
                show("A job that fails: the reason, and the end of its output", 4,
                     "-c", "print('step 1'); open('/no/such/file')", "-t", "-1"),
                show("A job that takes longer than we wait: it goes on", 3,
                     "-c", "import time; time.sleep(3)", "-t", "0.5"),
                show("A module that is not there", 2, "-m", "tiddy", "-t", "-1"),
            ]  # fmt: skip
        finally:
            subprocess.run([program, "server", "stop"], env=environment, stdout=subprocess.DEVNULL, check=False)
    print(f"\n{good.count(True)} of {len(good)} launches ended as they should.")
    return 0 if all(good) else 1


def run(title: str, expected: int, arguments: list[str], environment: dict[str, str]) -> bool:
    """Show one launch; return whether it exited with the expected code."""
    print(f"\n# {title}\n$ {shlex.join(['headless', *arguments])}", flush=True)
    status = subprocess.run(["headless", *arguments], env=environment, check=False).returncode
    print(f"exit code {status}" + ("" if status == expected else f", but {expected} was expected"), flush=True)
    return status == expected


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
