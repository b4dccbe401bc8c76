"""``headless completion``: scripts that complete command lines in shells."""

import click
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class

from headless.cli.commands import load_command
from headless.cli.main import COMMANDS
from headless.config import COMPLETION_VARIABLE

__all__ = ["complete", "completion", "whole_command"]

SHELLS = ("bash", "zsh", "fish")


class _Whole(click.Group):
    """Launcher and commands as one: for completion and the manual, where they are looked at together."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return load_command(cmd_name) if cmd_name in COMMANDS else None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        return click.Command.shell_complete(self, ctx, incomplete) + [
            CompletionItem(name) for name in self.list_commands(ctx) if name.startswith(incomplete)
        ]


def whole_command() -> click.Group:
    """The launcher's options and all commands in one object."""
    from headless.cli.launch import launch

    return _Whole("headless", params=list(launch.params), no_args_is_help=False, invoke_without_command=True)


@click.command(name="completion", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print a completion script: eval "$(headless completion bash)".

    \b
    Exit status: 0 done, 2 another shell.
    """
    click.echo(make_completion(shell).source())


def make_completion(shell: str) -> ShellComplete:
    """click's completion for a shell, of the whole command."""
    cls = get_completion_class(shell)
    if cls is None:
        raise AssertionError(f"click knows no {shell}")
    return cls(whole_command(), {}, "headless", COMPLETION_VARIABLE)


def complete(instruction: str) -> int:
    """Answer a shell's question, asked through the variable; return the exit code."""
    shell, _, what = instruction.partition("_")
    if shell in SHELLS and what == "complete":
        click.echo(make_completion(shell).complete())
        return 0
    return 1
