"""Shell completion: the scripts are printed, and a real bash completes real command lines with its own."""

import os
import subprocess

import pytest

from headless.cli.main import COMMANDS
from support import HEADLESS, TIME_SCALE, World

# Has bash call what it has registered for the command, as it does when a person presses Tab.
TAB = """
eval "$(headless completion bash)"
complete -p headless >/dev/null || exit 1
function=$(complete -p headless); function=${function##*-F }; function=${function%% *}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
$function headless "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}" 2>/dev/null
printf '%s\\n' "${COMPREPLY[@]}"
"""


def press_tab(world: World, words: list[str]) -> set[str]:
    """What bash offers for the last of the words."""
    environment = {**world.environment, "PATH": f"{os.path.dirname(HEADLESS)}:/usr/bin:/bin"}
    done = subprocess.run(
        ["bash", "--norc", "-c", TAB, "bash", *words],
        env=environment, capture_output=True, check=True, timeout=20 * TIME_SCALE,
    )  # fmt: skip
    assert done.stderr == b""
    return set(done.stdout.decode().split())


@pytest.mark.peer("bash")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("headless ", set(COMMANDS)),
        ("headless se", {"serve", "server"}),
        ("headless server ", {"status", "stop"}),
        ("headless user add --allow-c", {"--allow-code"}),
        ("headless jobs ", {"attach", "cancel", "list", "logs", "prune", "rerun", "show"}),
        ("headless jobs list --st", {"--state"}),
        ("headless jobs list --state l", {"lost", "live"}),
        ("headless --ti", {"--timeout"}),
        ("headless -s host:1 --py", {"--py-file", "--py-code"}),
        ("headless -m x --timeout=-1 --qu", {"--quiet"}),
        ("headless schedule ", {"cron", "systemd", "windows"}),
        ("headless grid pf", {"pfn", "pfn-status"}),
        ("headless grid pk", {"pki"}),
        ("headless grid whe", {"whereis"}),
        ("headless completion ", {"bash", "zsh", "fish"}),
        ("headless no-such", set()),
    ],
)
def test_bash_completes(world: World, line: str, offered: set[str]) -> None:
    assert press_tab(world, line.split(" ")) == offered


@pytest.mark.peer("bash")
def test_bash_completes_file_names(world: World) -> None:
    (world.home / "script.py").touch()
    # click's answer is "file": then bash itself looks, in readline's way, which a script cannot watch. So its words
    # are read here before bash acts on them.
    environment = {"_HEADLESS_COMPLETE": "bash_complete", "COMP_WORDS": "headless -f s", "COMP_CWORD": "2"}
    assert world.run(environment=environment).stdout == b"file,s\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_printed_for_each_shell(world: World, shell: str) -> None:
    done = world.run("completion", shell)
    assert (done.returncode, done.stderr) == (0, b"")
    assert f"_HEADLESS_COMPLETE={shell}_complete" in done.stdout.decode()


def test_another_shell_is_refused_by_name(world: World) -> None:
    done = world.run("completion", "tcsh")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"'tcsh' is not one of 'bash', 'zsh', 'fish'" in done.stderr


def test_another_question_of_a_shell_is_answered_by_a_code(world: World) -> None:
    done = world.run("-c", "pass", environment={"_HEADLESS_COMPLETE": "tcsh_complete"})
    assert (done.returncode, done.stdout) == (1, b"")
